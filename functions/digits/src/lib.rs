//! Tells which digits 8x8 pictures show: `POST {"instances":[[64 grey values, 0 to 16], …]}` gives
//! `{"predictions":[{"label":7,"probabilities":[10 numbers]}, …]}`, one for each picture.
//!
//! It is as small as a function around a tabular model gets, which is what the benches need: they hold it against the
//! same model behind a Python server. Begin at `classify`; `pictures` reads the request without a vector per picture.

mod pictures;

use modelet_sdk::{Error, Model, Request, Response, Tensor, handler};
use pictures::{PIXELS, Pictures};
use serde::{Deserialize, Serialize, Serializer};

handler!(classify);

/// How many digits there are, so how many probabilities each picture has.
const DIGITS: usize = 10;

/// The request's body.
#[derive(Deserialize)]
struct Question {
    instances: Pictures,
}

/// The answer's body.
#[derive(Serialize)]
struct Answer {
    #[serde(serialize_with = "Predictions::serialize")]
    predictions: Predictions,
}

/// What the model gave, for all pictures.
struct Predictions {
    labels: Vec<i64>,
    probabilities: Vec<f32>,
}

/// What it gave for one.
#[derive(Serialize)]
struct Prediction<'a> {
    label: i64,
    probabilities: &'a [f32],
}

impl Predictions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let each = self.labels.iter().zip(self.probabilities.chunks_exact(DIGITS));
        serializer.collect_seq(each.map(|(label, probabilities)| Prediction { label: *label, probabilities }))
    }
}

fn classify(request: Request) -> Result<Response, Error> {
    let Question { instances } = request.json()?;
    if instances.count == 0 {
        return Err(Error::bad_request("`instances` is empty"));
    }
    let input = Tensor::new(&[instances.count, PIXELS], &instances.pixels)?;
    let outputs = Model::load("digits")?.run([("X", input)])?;
    let predictions =
        Predictions { labels: outputs.get("label")?.to_vec()?, probabilities: outputs.get("probabilities")?.to_vec()? };
    Response::json(&Answer { predictions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_has_its_own_probabilities() {
        let mut probabilities = vec![0.0; 2 * DIGITS];
        probabilities[DIGITS] = 0.25;
        let answer = Answer { predictions: Predictions { labels: vec![3, 0], probabilities } };
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["predictions"][0]["label"], 3);
        assert_eq!(json["predictions"][1]["probabilities"][0], 0.25);
        assert_eq!(json["predictions"].as_array().unwrap().len(), 2);
    }
}
