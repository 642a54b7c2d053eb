//! Writes `n` words (16) with the model `tiny-decoder` after `1, 2, 3`. With `cache=0` each call is given all words again;
//! with `cache=1` the new one and the cache that the call before gave, which is given away (`lend=0`) or lent (`lend=1`).
//! Answers `{"ids": all words, "logits": those of each call's last word}`.
use modelet_sdk::{Error, Model, Outputs, Request, Response, Tensor, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(write);

const WORDS: usize = 32;

fn write(request: Request) -> Result<Response, Error> {
    let (n, cache) = (number(&request, "n", 16)?, number(&request, "cache", 1)? == 1);
    let lend = number(&request, "lend", 0)? == 1;
    let model = Model::load("tiny-decoder")?;
    let (mut ids, mut all) = (vec![1_i64, 2, 3], Vec::new());
    let (mut given, mut past) = (ids.clone(), nothing()?);
    for _ in 0..n {
        let input = Tensor::new(&[1, given.len()], &given)?;
        let mut outputs: Outputs = if lend {
            model.compute([("ids", &input), ("past", &past)])?
        } else {
            model.run([("ids", input), ("past", past)])?
        };
        let logits: Vec<f32> = outputs.get("logits")?.to_vec()?;
        let last = logits.rchunks(WORDS).next().unwrap_or_default().to_vec();
        let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id as i64);
        all.push(last);
        ids.push(best);
        (given, past) = if cache { (vec![best], outputs.take("present")?) } else { (ids.clone(), nothing()?) };
    }
    Response::json(&json!({ "ids": ids, "logits": all }))
}

/// A cache of no words.
fn nothing() -> Result<Tensor, Error> {
    Tensor::new::<f32>(&[2, 2, 1, 2, 0, 8], &[])
}
