//! Describes the model `model` of the query `n` times (1), and answers the last description as JSON.
use modelet_sdk::{Dimension, Error, Model, Port, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::{Value, json};

handler!(describe);

fn describe(request: Request) -> Result<Response, Error> {
    let model = Model::load(&request.param("model").unwrap_or_default())?;
    let mut about = model.describe()?;
    for _ in 1..number(&request, "n", 1)? {
        about = model.describe()?;
    }
    let ports = |ports: &[Port]| ports.iter().map(port).collect::<Vec<_>>();
    Response::json(&json!({
        "inputs": ports(&about.inputs),
        "outputs": ports(&about.outputs),
        "metadata": about.metadata,
        "opsets": about.opsets,
    }))
}

fn port(port: &Port) -> Value {
    let dimensions: Option<Vec<Value>> = port.dimensions.as_ref().map(|dimensions| {
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => json!(size),
            Dimension::Dynamic(name) => json!(name),
        };
        dimensions.iter().map(size).collect()
    });
    json!({ "name": port.name, "type": port.element_type.to_string(), "dimensions": dimensions })
}
