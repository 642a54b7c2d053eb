//! What can be read of an ONNX file without ONNX Runtime, and what must be refused before it sees the file.
//!
//! - Weights kept in other files: ONNX Runtime reads them from any file below the server's working directory, the
//!   admin key included, and the model could then answer with it.
//! - Functions that call functions: it inlines them at load; a thousand calls deep they overflow its stack, which ends
//!   the process, and two kilobytes of doublings are 2^30 nodes.
//!
//! The number of nodes, inlined, also bounds what constant folding may make at load (see `session.rs`).

use std::collections::{BTreeMap, HashMap};

use super::proto::{Malformed, Value, each};

/// Subgraphs inside subgraphs; ONNX Runtime's own parser stops at 100 nested messages, about 31 of them.
const SUBGRAPHS_MAX: u32 = 64;

/// Functions inside functions: exporters nest as deep as their modules; a stack of 2 MiB holds some hundreds.
const CALLS_MAX: u32 = 64;

/// Nodes after inlining, where there are functions. Inlining takes ONNX Runtime quadratic time.
const INLINED_NODES_MAX: u64 = 1 << 14;

/// What the file says about itself.
#[derive(Debug)]
pub(crate) struct Outline {
    /// Operator set versions by domain; the empty domain is ONNX's own.
    pub(crate) opsets: BTreeMap<String, i64>,
    /// The author's own keys.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Nodes of the graph and its subgraphs, functions inlined.
    pub(crate) nodes: u64,
}

/// Why a file is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no model.
    Malformed,
    /// Some tensor's data is in another file.
    ExternalData,
    /// Functions call each other too deep, or themselves.
    Calls,
    /// Inlined, the functions have too many nodes.
    Nodes,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// An operator or function: domain and name.
type Op<'a> = (&'a [u8], &'a [u8]);

/// A list of nodes with all their subgraphs: how often it uses which operator.
#[derive(Default)]
struct Body<'a>(HashMap<Op<'a>, u64>);

/// Reads a whole file.
pub(crate) fn outline(model: &[u8]) -> Result<Outline, Refused> {
    let (mut opsets, mut metadata) = (BTreeMap::new(), BTreeMap::new());
    let (mut graph, mut functions) = (None, HashMap::new());
    each(model, |field, value| {
        match (field, value) {
            (7, Value::Bytes(bytes)) => walk_graph(bytes, graph.get_or_insert_with(Body::default), 0)?,
            (8, Value::Bytes(import)) => {
                let (domain, _, version) = read_pair(import)?;
                opsets.insert(domain, version);
            }
            (14, Value::Bytes(entry)) => {
                let (key, text, _) = read_pair(entry)?;
                metadata.insert(key, text);
            }
            (25, Value::Bytes(function)) => walk_function(function, &mut functions)?,
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    let nodes = count_inlined(&graph.ok_or(Refused::Malformed)?, &functions)?;
    Ok(Outline { opsets, metadata, nodes })
}

/// The nodes of `main` with every call replaced by what it calls.
fn count_inlined<'a>(main: &Body<'a>, functions: &HashMap<Op<'a>, Body<'a>>) -> Result<u64, Refused> {
    let nodes = expand(main, functions, &mut HashMap::new(), 0)?;
    if !functions.is_empty() && nodes > INLINED_NODES_MAX { Err(Refused::Nodes) } else { Ok(nodes) }
}

fn expand<'a>(
    body: &Body<'a>,
    functions: &HashMap<Op<'a>, Body<'a>>,
    known: &mut HashMap<Op<'a>, u64>,
    depth: u32,
) -> Result<u64, Refused> {
    if depth > CALLS_MAX {
        return Err(Refused::Calls);
    }
    let mut nodes = 0u64;
    for (op, times) in &body.0 {
        let each = match (known.get(op), functions.get(op)) {
            (Some(known), _) => *known,
            (None, None) => 1,
            (None, Some(callee)) => {
                let inside = expand(callee, functions, known, depth + 1)?;
                known.insert(*op, inside);
                inside
            }
        };
        nodes = nodes.saturating_add(each.saturating_mul(*times));
    }
    Ok(nodes)
}

fn walk_function<'a>(function: &'a [u8], functions: &mut HashMap<Op<'a>, Body<'a>>) -> Result<(), Refused> {
    let (mut domain, mut name, mut body) = (&[][..], &[][..], Body::default());
    each(function, |field, value| {
        match (field, value) {
            (1, Value::Bytes(text)) => name = text,
            (7, Value::Bytes(node)) => walk_node(node, &mut body, 0)?,
            (10, Value::Bytes(text)) => domain = text,
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    // Overloads share a name: taken together they are at least as large as each.
    let merged = functions.entry((canonical(domain), name)).or_default();
    for (op, times) in body.0 {
        *merged.0.entry(op).or_default() += times;
    }
    Ok(())
}

fn walk_graph<'a>(graph: &'a [u8], body: &mut Body<'a>, depth: u32) -> Result<(), Refused> {
    if depth > SUBGRAPHS_MAX {
        return Err(Refused::Malformed);
    }
    each(graph, |field, value| match (field, value) {
        (1, Value::Bytes(node)) => walk_node(node, body, depth),
        (5, Value::Bytes(tensor)) => walk_tensor(tensor),
        (15, Value::Bytes(sparse)) => walk_sparse(sparse),
        _ => Ok(()),
    })
}

fn walk_node<'a>(node: &'a [u8], body: &mut Body<'a>, depth: u32) -> Result<(), Refused> {
    let (mut domain, mut name) = (&[][..], &[][..]);
    each(node, |field, value| {
        match (field, value) {
            (4, Value::Bytes(text)) => name = text,
            (5, Value::Bytes(attribute)) => walk_attribute(attribute, body, depth)?,
            (7, Value::Bytes(text)) => domain = text,
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    *body.0.entry((canonical(domain), name)).or_default() += 1;
    Ok(())
}

fn walk_attribute<'a>(attribute: &'a [u8], body: &mut Body<'a>, depth: u32) -> Result<(), Refused> {
    each(attribute, |field, value| match (field, value) {
        (5 | 10, Value::Bytes(tensor)) => walk_tensor(tensor),
        (6 | 11, Value::Bytes(graph)) => walk_graph(graph, body, depth + 1),
        (22 | 23, Value::Bytes(sparse)) => walk_sparse(sparse),
        _ => Ok(()),
    })
}

fn walk_sparse(sparse: &[u8]) -> Result<(), Refused> {
    each(sparse, |field, value| match (field, value) {
        (1 | 2, Value::Bytes(tensor)) => walk_tensor(tensor),
        _ => Ok(()),
    })
}

/// `external_data` is field 13; `data_location` (14) is not 0 where it counts.
fn walk_tensor(tensor: &[u8]) -> Result<(), Refused> {
    each(tensor, |field, value| match (field, value) {
        (13, Value::Bytes(_)) | (14, Value::Number(1..)) => Err(Refused::ExternalData),
        _ => Ok(()),
    })
}

/// A small message of a text (1) and a text or number (2).
fn read_pair(message: &[u8]) -> Result<(String, String, i64), Refused> {
    let (mut first, mut text, mut number) = (String::new(), String::new(), 0);
    each(message, |field, value| {
        match (field, value) {
            (1, Value::Bytes(bytes)) => first = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Number(value)) => number = value.cast_signed(),
            _ => {}
        }
        Ok::<_, Refused>(())
    })?;
    Ok((first, text, number))
}

/// ONNX's own domain has two names.
fn canonical(domain: &[u8]) -> &[u8] {
    if domain == b"ai.onnx" { b"" } else { domain }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that holds bytes; the length takes two bytes, as many as any test needs.
    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let len = body.len();
        let mut message = vec![number << 3 | 2, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8];
        message.extend_from_slice(body);
        message
    }

    /// A function whose number needs a two-byte tag.
    fn function(name: &str, callees: &[&str]) -> Vec<u8> {
        let mut body = field(1, name.as_bytes());
        for callee in callees {
            body.extend(field(7, &field(4, callee.as_bytes())));
        }
        let inner = field(1, &body);
        [&[0xca, 0x01], inner.get(1..).unwrap()].concat()
    }

    fn calling(name: &str) -> Vec<u8> {
        field(7, &field(1, &field(4, name.as_bytes())))
    }

    #[test]
    fn finds_weights_kept_elsewhere_however_deep() {
        let external = [14 << 3, 1];
        assert_eq!(outline(&field(7, &field(5, &external))).unwrap_err(), Refused::ExternalData);
        // graph > node > attribute > graph > initializer > external_data
        let inner = field(6, &field(5, &field(13, b"x")));
        assert_eq!(outline(&field(7, &field(1, &field(5, &inner)))).unwrap_err(), Refused::ExternalData);
        // graph > sparse initializer > values
        assert_eq!(outline(&field(7, &field(15, &field(1, &external)))).unwrap_err(), Refused::ExternalData);
        assert_eq!(outline(&field(7, &field(5, &[14 << 3, 0]))).unwrap().nodes, 0);
    }

    #[test]
    fn refuses_what_is_no_model() {
        for bytes in [&b""[..], b"hello", &[0x3a, 0x7f, 1], &[0xff; 12], &field(8, b"")] {
            assert_eq!(outline(bytes).unwrap_err(), Refused::Malformed, "{bytes:?}");
        }
    }

    #[test]
    fn subgraphs_are_bounded() {
        let nest = |levels| (0..levels).fold(vec![], |graph, _| field(1, &field(5, &field(6, &graph))));
        assert_eq!(outline(&field(7, &nest(60))).unwrap().nodes, 60);
        assert_eq!(outline(&field(7, &nest(70))).unwrap_err(), Refused::Malformed);
    }

    #[test]
    fn functions_are_counted_as_if_inlined() {
        let names: Vec<String> = (0..100).map(|k| format!("f{k}")).collect();
        let doubling = |levels: usize| {
            let mut model = calling(&names[levels]);
            model.extend(function("f0", &["Neg"]));
            for k in 1..=levels {
                model.extend(function(&names[k], &[&names[k - 1], &names[k - 1]]));
            }
            outline(&model).map(|outline| outline.nodes)
        };
        assert_eq!(doubling(10), Ok(1 << 10));
        assert_eq!(doubling(30), Err(Refused::Nodes));
        let chain = |levels: usize| {
            let mut model = calling(&names[levels]);
            (1..=levels).for_each(|k| model.extend(function(&names[k], &[&names[k - 1]])));
            outline(&model).map(|outline| outline.nodes)
        };
        assert_eq!(chain(50), Ok(1));
        assert_eq!(chain(80), Err(Refused::Calls));
        let to_itself = [calling("f0"), function("f0", &["f0"])].concat();
        assert_eq!(outline(&to_itself).unwrap_err(), Refused::Calls);
    }
}
