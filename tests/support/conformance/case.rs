//! A case as its folder has it: the model's signature, and the tensors of its data sets.

use super::proto::{self, Field};
use crate::frame::{Kind, Part, pack};
use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// One case.
#[derive(Debug)]
pub struct Case {
    /// The folder's name, such as `test_add`.
    pub name: String,
    /// The model's file.
    pub model: PathBuf,
    /// What goes in and what must come out, at least once.
    pub sets: Vec<Set>,
}

/// One run of a case.
#[derive(Debug)]
pub struct Set {
    /// What goes in.
    pub inputs: Vec<Part<'static>>,
    /// What must come out.
    pub outputs: Vec<Part<'static>>,
}

/// Why a case cannot be asked through a guest: the first declared type that no tensor has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inexpressible(pub String);

/// An input or output as the model declares it.
struct Port {
    name: String,
    kind: Result<Kind, Inexpressible>,
}

impl Case {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    /// A model that takes or gives what is no tensor.
    ///
    /// # Panics
    /// When the folder is not as the ONNX project lays it.
    pub fn read(folder: &Path) -> Result<Self, Inexpressible> {
        let model = folder.join("model.onnx");
        let (inputs, outputs) = ports(&read(&model)).unwrap_or_else(|why| panic!("{}: {why}", model.display()));
        for port in inputs.iter().chain(&outputs) {
            port.kind.clone()?;
        }
        let set =
            |set: PathBuf| Set { inputs: tensors(&set, "input", &inputs), outputs: tensors(&set, "output", &outputs) };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let sets: Vec<Set> = subfolders(folder).into_iter().map(set).collect();
        assert!(!sets.is_empty() && !outputs.is_empty(), "{} has nothing to compare", folder.display());
        Ok(Self { name, model, sets })
    }
}

/// The folders in a folder, by name.
///
/// # Panics
/// When it cannot be read.
pub(super) fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn tensors(set: &Path, side: &str, ports: &[Port]) -> Vec<Part<'static>> {
    let read = |(index, port): (usize, &Port)| {
        let file = set.join(format!("{side}_{index}.pb"));
        // Trailing inputs may be optional, and then have no file.
        file.exists().then(|| tensor(&read(&file), port).unwrap_or_else(|why| panic!("{}: {why}", file.display())))
    };
    let tensors: Vec<Part<'_>> = ports.iter().enumerate().filter_map(read).collect();
    assert!(!set.join(format!("{side}_{}.pb", ports.len())).exists(), "{}: more {side}s than ports", set.display());
    tensors
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The inputs that a caller gives, and the outputs, of a `ModelProto`.
fn ports(model: &[u8]) -> Result<(Vec<Port>, Vec<Port>), String> {
    let graph = proto::one(&proto::fields(model)?, 7).ok_or("no graph")?;
    let graph = proto::fields(graph)?;
    let mut constants = Vec::new();
    for tensor in proto::all(&graph, 5) {
        constants.push(text(&proto::fields(tensor)?, 8));
    }
    let inputs: Vec<Port> = proto::all(&graph, 11).into_iter().map(port).collect::<Result<_, _>>()?;
    let given = inputs.into_iter().filter(|port| !constants.contains(&port.name)).collect();
    Ok((given, proto::all(&graph, 12).into_iter().map(port).collect::<Result<_, _>>()?))
}

/// A `ValueInfoProto`.
fn port(value: &[u8]) -> Result<Port, String> {
    let value = proto::fields(value)?;
    let kinds = proto::fields(proto::one(&value, 2).unwrap_or_default())?;
    let kind = match proto::one(&kinds, 1) {
        Some(tensor) => {
            let element = proto::varints(&proto::fields(tensor)?, 1)?.pop().unwrap_or_default();
            kind(element).ok_or_else(|| Inexpressible(element_name(element)))
        }
        None => Err(Inexpressible("no tensor (a sequence, map or optional)".to_owned())),
    };
    Ok(Port { name: text(&value, 1), kind })
}

/// A `TensorProto` for a port; its bytes are little-endian wherever it keeps them.
fn tensor(tensor: &[u8], port: &Port) -> Result<Part<'static>, String> {
    let tensor = proto::fields(tensor)?;
    let element = proto::varints(&tensor, 2)?.pop().unwrap_or_default();
    let given = match (kind(element), &port.kind) {
        // NumPy had no bfloat16 when these were made: its bits are stored as whole numbers.
        (Some(Kind::U16), Ok(Kind::Bf16)) => Kind::Bf16,
        (Some(kind), _) => kind,
        (None, _) => return Err(format!("the tensor is {}", element_name(element))),
    };
    let dims: Vec<u32> = proto::varints(&tensor, 1)?
        .into_iter()
        .map(|dim| u32::try_from(dim).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let data = match proto::one(&tensor, 9) {
        Some(raw) => raw.to_vec(),
        None => typed_bytes(&tensor, given)?,
    };
    Ok(Part { name: port.name.clone(), kind: given, dims, data: Cow::Owned(data) })
}

fn typed_bytes(tensor: &[Field<'_>], kind: Kind) -> Result<Vec<u8>, String> {
    let narrow = |number: u64, bytes: usize| number.to_le_bytes()[..bytes].to_vec();
    let from = |field, bytes| Ok(proto::varints(tensor, field)?.into_iter().flat_map(|n| narrow(n, bytes)).collect());
    match kind {
        Kind::Fp32 | Kind::Complex64 => Ok(proto::fixed_bytes(tensor, 4)),
        Kind::Fp64 | Kind::Complex128 => Ok(proto::fixed_bytes(tensor, 10)),
        Kind::U8 | Kind::I8 | Kind::Bool => from(5, 1),
        Kind::Fp16 | Kind::Bf16 | Kind::U16 | Kind::I16 => from(5, 2),
        Kind::I32 => from(5, 4),
        Kind::I64 => from(7, 8),
        Kind::U32 => from(11, 4),
        Kind::U64 => from(11, 8),
        Kind::String => {
            let strings = proto::all(tensor, 6).into_iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
            pack(&strings.map_err(|error| error.to_string())?)
        }
        other => Err(format!("{other:?} is not read from here")),
    }
}

fn text(fields: &[Field<'_>], number: u64) -> String {
    String::from_utf8_lossy(proto::one(fields, number).unwrap_or_default()).into_owned()
}

/// What a frame calls an element type of ONNX, by its number.
fn kind(element: u64) -> Option<Kind> {
    Some(match element {
        1 => Kind::Fp32,
        2 => Kind::U8,
        3 => Kind::I8,
        4 => Kind::U16,
        5 => Kind::I16,
        6 => Kind::I32,
        7 => Kind::I64,
        8 => Kind::String,
        9 => Kind::Bool,
        10 => Kind::Fp16,
        11 => Kind::Fp64,
        12 => Kind::U32,
        13 => Kind::U64,
        14 => Kind::Complex64,
        15 => Kind::Complex128,
        16 => Kind::Bf16,
        _ => return None,
    })
}

/// The types after these are newer than the cases.
fn element_name(element: u64) -> String {
    format!("element type {element}")
}
