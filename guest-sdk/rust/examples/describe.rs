//! Tells what a model takes and gives: `GET` gives `{"inputs": ["x: string [n]"], …}`; and `POST ["a", "b"]` runs it on
//! these strings. Its manifest has `[models] texts = { file = "models/texts.onnx" }`, which takes and gives strings.
use modelet_sdk::{Dimension, Error, Model, Port, Request, Response, Tensor, handler};

handler!(texts);

fn texts(request: Request) -> Result<Response, Error> {
    let model = Model::load("texts")?;
    let about = model.describe()?;
    if request.method() == "GET" {
        let ports = |ports: &[Port]| ports.iter().map(in_words).collect::<Vec<_>>();
        let answer = serde_json::json!({ "inputs": ports(&about.inputs), "outputs": ports(&about.outputs) });
        return Response::json(&answer);
    }
    let texts: Vec<String> = request.json()?;
    let input = Tensor::strings(&[texts.len()], texts)?;
    let name = about.inputs.first().map_or("", |port| &port.name);
    let outputs = model.compute([(name, &input)])?;
    let (_, output) = outputs.iter().next().ok_or_else(|| Error::internal("the model gives nothing"))?;
    Response::json(&output.to_strings()?)
}

fn in_words(port: &Port) -> String {
    let Some(dimensions) = &port.dimensions else { return format!("{}: {}", port.name, port.element_type) };
    let sizes: Vec<String> = dimensions
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Dynamic(name) => name.clone().unwrap_or_else(|| "?".to_owned()),
        })
        .collect();
    format!("{}: {} [{}]", port.name, port.element_type, sizes.join(", "))
}
