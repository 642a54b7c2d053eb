//! Goes on with a text, one token after the other: `POST {"ids": [3, 1, 4], "tokens": 8}` gives `{"ids": […]}`.
//! Its manifest has `[models] decoder = { file = "models/decoder.onnx" }`, which takes `ids` and `past` and gives `logits`
//! and `present`.
use std::time::Duration;

use modelet_sdk::tokens::{Limits, Tokens};
use modelet_sdk::{Error, Model, Request, Response, Tensor, deadline_left, handler};
use serde::Deserialize;

handler!(generate);

/// As the model was made: ids, places, and the sizes of `past`: layers, keys and values, heads, numbers to a head.
const LIMITS: Limits = Limits { vocabulary: 32, context: 64 };
const PAST: [usize; 6] = [2, 2, 1, 2, 0, 8];

#[derive(Deserialize)]
struct Question {
    ids: Vec<i64>,
    tokens: usize,
}

fn generate(request: Request) -> Result<Response, Error> {
    let Question { mut ids, tokens } = request.json()?;
    let decoder = Model::load("decoder")?;
    let mut given = ids.clone();
    let mut past = Tensor::new::<f32>(&PAST, &[])?;
    for _ in 0..tokens {
        // Rather a short text than none.
        if deadline_left().is_some_and(|left| left < Duration::from_millis(50)) {
            break;
        }
        // The model would take an id of -1 for its last one, and positions that it has never seen.
        LIMITS.check(&Tokens::of(&given).after(ids.len() - given.len()))?;
        let input = Tensor::new(&[1, given.len()], &given)?;
        let mut outputs = decoder.run([("ids", input), ("past", past)])?;
        // The cache goes from one call into the next and never leaves the host.
        past = outputs.take("present")?;
        let logits: Vec<f32> = outputs.get("logits")?.to_vec()?;
        let last = logits.rchunks(LIMITS.vocabulary as usize).next().unwrap_or_default();
        let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id as i64);
        ids.push(best);
        given = vec![best];
    }
    Response::json(&serde_json::json!({ "ids": ids }))
}
