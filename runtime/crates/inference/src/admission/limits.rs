//! The limits of admission, each with its reason.

/// What a model file may be. The defaults admit every honest model met so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Bytes of the file. 2 GiB less one: protobuf, and so ONNX Runtime, reads no more.
    pub file_bytes: u64,
    /// The format's version. 13 is the last that ONNX Runtime 1.31.1 loads (tried).
    pub ir_version: i64,
    /// Operator set version of `ai.onnx`: 26 is the last released one that ONNX Runtime 1.31.1 loads (tried).
    pub opset: i64,
    /// Operator set version of `ai.onnx.ml`: 5, tried likewise.
    pub opset_ml: i64,
    /// Operator set version of `com.microsoft`: 1, tried likewise.
    pub opset_microsoft: i64,
    /// Subgraphs inside subgraphs, functions inlined. ONNX Runtime's parser stops at 100 nested messages, 31 of them; and
    /// it recurses over them when functions have been inlined, with no stop at all.
    pub subgraph_depth: u32,
    /// Functions inside functions: exporters nest as deep as their modules; a stack of 2 MiB holds some hundreds.
    pub call_depth: u32,
    /// Nodes, functions inlined, those of subgraphs included; as written, each function counts as one too. The largest exports have some ten thousands.
    pub nodes: u64,
    /// Nodes, functions inlined, where there are functions: inlining takes ONNX Runtime quadratic time.
    pub inlined_nodes: u64,
    /// Initializers, those of subgraphs included.
    pub initializers: u64,
    /// Inputs, outputs and attributes of all nodes, and all declared values: bounds what admission itself allocates,
    /// about 300 bytes for each at worst.
    pub edges: u64,
    /// Bytes of one name. Exporters write module paths, some hundreds.
    pub name_bytes: usize,
    /// Bytes of all metadata keys and values: a tokenizer fits; they are kept in memory and listed.
    pub metadata_bytes: usize,
    /// Dimensions of a tensor.
    pub rank: usize,
    /// Bytes of one tensor as declared, as far as its dimensions are numbers: more never fits.
    pub tensor_bytes: u64,
    /// Bytes that one node may make of constants alone (`ConstantOfShape`, `Expand`, `Tile`, `Range` …); also those that
    /// a sparse tensor becomes when made dense. A load lowers it to what the inference memory holds.
    pub made_bytes: u64,
    /// Turns of loops, nested ones multiplied, that provably end by their count alone: ten million take about ten
    /// seconds. A loop that its body can end is bounded by the model's run limit.
    pub loop_turns: u64,
    /// Weights in other files.
    pub external_data: ExternalData,
}

/// Whether a tensor's data may be in another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalData {
    /// Never: the model is bytes, there is no folder that the files could be in.
    Refused,
    /// In files below the model's own folder, named by plain relative paths. Whoever lays the folder makes sure that none
    /// of them is a link.
    Contained,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            file_bytes: (2 << 30) - 1,
            ir_version: 13,
            opset: 26,
            opset_ml: 5,
            opset_microsoft: 1,
            subgraph_depth: 31,
            call_depth: 64,
            nodes: 1 << 17,
            inlined_nodes: 1 << 14,
            initializers: 1 << 16,
            edges: 1 << 20,
            name_bytes: 1024,
            metadata_bytes: 4 << 20,
            rank: 64,
            tensor_bytes: 64 << 30,
            made_bytes: 1 << 30,
            loop_turns: 10_000_000,
            external_data: ExternalData::Refused,
        }
    }
}
