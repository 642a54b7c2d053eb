//! The whole file (`ModelProto`): the head, the graph, the functions.

use std::collections::BTreeMap;

use super::graph::{Declared, Graph, Reader, canonical};
use super::limits::AdmissionLimits;
use super::refused::{Quoted, Refused};
use super::tensor;
use super::wire::{Value, each};

/// A model file, read and within the limits of counts and sizes.
#[derive(Default)]
pub(super) struct File<'a> {
    pub(super) ir_version: i64,
    pub(super) producer: &'a str,
    pub(super) opsets: BTreeMap<String, i64>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) graph: Graph<'a>,
    pub(super) functions: Vec<Function<'a>>,
}

/// A function that the model brings along.
pub(super) struct Function<'a> {
    pub(super) domain: &'a str,
    pub(super) name: &'a str,
    /// Its inputs and outputs have names only.
    pub(super) body: Graph<'a>,
}

/// Reads a whole file.
pub(super) fn read<'a>(bytes: &'a [u8], reader: &mut Reader<'_>) -> Result<File<'a>, Refused> {
    let limits = reader.limits;
    if bytes.len() as u64 > limits.file_bytes {
        let why = format!("{} bytes; at most {} are allowed", bytes.len(), limits.file_bytes);
        return Err(Refused::too_large("the file", why));
    }
    if bytes.get(4..8) == Some(b"ORTM") {
        let why = "it is in ONNX Runtime's own format (.ort), which cannot be checked; push the .onnx it was made of";
        return Err(Refused::unsupported("the file", why));
    }
    let (mut file, mut has_graph, mut metadata_bytes) = (File::default(), false, 0);
    each(bytes, |field, value| {
        match (field, value) {
            (1, Value::Number(version)) => file.ir_version = version.cast_signed(),
            (2, Value::Bytes(text)) => file.producer = tensor::name(text, limits, "the producer")?,
            (7, Value::Bytes(graph)) => {
                has_graph = true;
                reader.graph(graph, &mut file.graph, 0)?;
            }
            (8, Value::Bytes(import)) => {
                reader.name(&[])?;
                import_opset(import, limits, &mut file.opsets)?;
            }
            (14, Value::Bytes(entry)) => {
                metadata_bytes += entry.len();
                if metadata_bytes > limits.metadata_bytes {
                    let why = format!("more than {} bytes", limits.metadata_bytes);
                    return Err(Refused::too_large("the metadata", why));
                }
                reader.name(&[])?;
                let (key, text) = pair(entry)?;
                file.metadata.insert(key, text);
            }
            (25, Value::Bytes(body)) => file.functions.push(function(body, reader)?),
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    if !has_graph {
        return Err(Refused::malformed("the file", "the bytes are no ONNX model: it has no graph"));
    }
    check_versions(&file, limits)?;
    Ok(file)
}

fn check_versions(file: &File<'_>, limits: &AdmissionLimits) -> Result<(), Refused> {
    if file.ir_version > limits.ir_version {
        let why = format!("it has IR version {}; the last supported is {}", file.ir_version, limits.ir_version);
        return Err(Refused::unsupported("the file", why));
    }
    let last = [("", limits.opset), ("ai.onnx.ml", limits.opset_ml), ("com.microsoft", limits.opset_microsoft)];
    for (domain, last) in last {
        let Some(version) = file.opsets.get(domain) else { continue };
        if !(1..=last).contains(version) {
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            let why = format!("it needs operator set {version} of {domain}; 1 to {last} are supported");
            return Err(Refused::unsupported("the file", why));
        }
    }
    // Before version 3 a file did not say it.
    if file.opsets.is_empty() && file.ir_version >= 3 {
        return Err(Refused::malformed("the file", "it names no operator set"));
    }
    Ok(())
}

fn function<'a>(message: &'a [u8], reader: &mut Reader<'_>) -> Result<Function<'a>, Refused> {
    reader.count_node()?;
    let mut function = Function { domain: "", name: "", body: Graph::default() };
    let declared = |name| Declared { name, element: None, symbols: Vec::new(), dims: None };
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(text)) => function.name = reader.name(text)?,
            (4, Value::Bytes(text)) => function.body.inputs.push(declared(reader.name(text)?)),
            (5, Value::Bytes(text)) => function.body.outputs.push(declared(reader.name(text)?)),
            (7, Value::Bytes(node)) => function.body.nodes.push(reader.node(node, 0)?),
            (10, Value::Bytes(text)) => function.domain = canonical(reader.name(text)?),
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    Ok(function)
}

fn import_opset(message: &[u8], limits: &AdmissionLimits, opsets: &mut BTreeMap<String, i64>) -> Result<(), Refused> {
    let (mut domain, mut version) = ("", 0);
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(text)) => domain = canonical(tensor::name(text, limits, "an operator set")?),
            (2, Value::Number(number)) => version = number.cast_signed(),
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    match opsets.insert(domain.to_owned(), version) {
        Some(before) if before != version => {
            let why = format!("domain {} is imported in versions {before} and {version}", Quoted(domain));
            Err(Refused::malformed("the file", why))
        }
        _ => Ok(()),
    }
}

/// A `StringStringEntryProto`.
fn pair(message: &[u8]) -> Result<(String, String), Refused> {
    let (mut key, mut text) = (String::new(), String::new());
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    Ok((key, text))
}
