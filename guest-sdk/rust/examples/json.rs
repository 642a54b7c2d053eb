//! Sums numbers: `POST {"numbers": [1, 2, 3.5]}` gives `{"sum": 6.5}`.
use modelet_sdk::{Error, Request, Response, handler};
use serde::{Deserialize, Serialize};

handler!(sum);

#[derive(Deserialize)]
struct Question {
    numbers: Vec<f64>,
}

#[derive(Serialize)]
struct Answer {
    sum: f64,
}

fn sum(request: Request) -> Result<Response, Error> {
    let question: Question = request.json()?;
    if question.numbers.is_empty() {
        return Err(Error::bad_request("`numbers` is empty"));
    }
    Response::json(&Answer { sum: question.numbers.iter().sum() })
}
