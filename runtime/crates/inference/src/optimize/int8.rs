//! 8-bit integers: products of activations that are quantised as they come, and tables whose rows are.

use std::collections::HashMap;

use super::build::{Attribute, Build, FLOAT, INT8, INT64, UINT8};
use super::numbers::{self, Scaled};
use super::read::{Constant, Model, Node};
use super::weights::{self, Use, Uses, Why};
use super::{Activations, Kept, Options, Rewritten};
use crate::admission::wire::Malformed;

/// Longer sums of 255 × 128 do not fit 32 bits.
const INNER_MAX: i64 = (1 << 31) / (255 * 128);

/// The activations' integers: 128 is zero, 127 on either side.
const HALF_RANGE: f32 = 127.0;
const ZERO: u8 = 128;

/// What a row's largest number is at least, so that a row of zeros is not divided by zero.
const ROW_MIN: f32 = 1e-30;

/// How a weight is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// The right side of a product; turned as `Gemm` allows.
    Product { turned: bool },
    /// A table that rows are taken from.
    Table,
}

/// A weight that was made of integers.
struct Ready {
    integers: String,
    scales: Vec<f32>,
    rank: usize,
}

/// An activation that was made of integers: its integers, scale and zero point.
type Quantised = (String, String, String);

struct Rewrite<'m, 'a> {
    build: Build<'a>,
    options: &'m Options,
    activations: Activations,
    opset: i64,
    ready: HashMap<(&'a str, Form), Ready>,
    /// By weight and the factor in it.
    scales: HashMap<(&'a str, Form, u32), String>,
    quantised: HashMap<&'a str, Quantised>,
    /// The constants that all rows' quantisation shares: the least, the step, the zero point, the dimensions.
    common: Option<[String; 4]>,
}

/// Rewrites the graph; answers it and what was done.
pub(super) fn rewrite<'a>(
    model: &Model<'a>,
    options: &Options,
    activations: Activations,
) -> Result<(Build<'a>, Vec<Rewritten>, Vec<Kept>), Malformed> {
    let uses = Uses::of(&model.graph)?;
    let mut this = Rewrite {
        build: Build::new(&model.graph)?,
        options,
        activations,
        opset: model.opset,
        ready: HashMap::new(),
        scales: HashMap::new(),
        quantised: HashMap::new(),
        common: None,
    };
    let (mut rewritten, mut kept) = (Vec::new(), Vec::new());
    for weight in &model.graph.constants {
        if !weights::is_weight(weight, options) {
            this.build.keep_constant(weight);
            continue;
        }
        match this.weight(weight, model, uses.of_name(weight.name))? {
            Ok(done) => rewritten.push(done),
            Err(why) => {
                this.build.keep_constant(weight);
                kept.push(why.kept(weight));
            }
        }
    }
    for node in &model.graph.nodes {
        this.node(node)?;
    }
    Ok((this.build, rewritten, kept))
}

impl<'a> Rewrite<'_, 'a> {
    /// Makes a weight of integers, in each form that it is used in; or says why it stays.
    fn weight(
        &mut self,
        weight: &Constant<'a>,
        model: &Model<'a>,
        uses: &[Use],
    ) -> Result<Result<Rewritten, Why<'a>>, Malformed> {
        if let Err(why) = weights::check(weight, model, uses) {
            return Ok(Err(why));
        }
        let mut forms = Vec::new();
        let (mut nodes, mut op) = (Vec::new(), "");
        for used in uses {
            let (at, input) = match used {
                Use::Node(at, input) => (*at, *input),
                Use::Inside(at) => {
                    let node = model.graph.nodes.get(*at);
                    return Ok(Err(node.map_or_else(|| Why::nobody(""), |node| Why::new(node, "a subgraph uses it"))));
                }
                Use::Output => return Ok(Err(Why::nobody("the model hands it out"))),
            };
            let Some(node) = model.graph.nodes.get(at) else { continue };
            match self.form(node, input, weight)? {
                Ok(form) if forms.contains(&form) => {}
                Ok(form) => forms.push(form),
                Err(why) => return Ok(Err(Why::new(node, why))),
            }
            nodes.push(node.label().to_owned());
            op = node.op;
        }
        let Some(values) = weight.floats() else { return Ok(Err(Why::nobody("its data is not as its shape says"))) };
        let mut made = Vec::new();
        for form in forms {
            match integers(&values, weight, form) {
                Ok(scaled) => made.push((form, scaled)),
                Err(why) => return Ok(Err(Why::nobody(why))),
            }
        }
        let mut bytes_after = 0;
        for (form, scaled) in made {
            bytes_after += (scaled.integers.len() + 4 * scaled.scales.len()) as u64;
            let dims = match form {
                Form::Product { turned: true } => weight.dims.iter().rev().copied().collect(),
                _ => weight.dims.clone(),
            };
            let integers = self.build.constant(weight.name, "int8", INT8, &dims, &scaled.integers);
            self.ready.insert((weight.name, form), Ready { integers, scales: scaled.scales, rank: dims.len() });
        }
        let bytes_before = 4 * values.len() as u64;
        Ok(Ok(Rewritten { weight: weight.name.to_owned(), nodes, op: op.to_owned(), bytes_before, bytes_after }))
    }

    /// How a node uses a weight, if that can be rewritten.
    fn form(
        &self,
        node: &Node<'a>,
        input: usize,
        weight: &Constant<'a>,
    ) -> Result<Result<Form, &'static str>, Malformed> {
        let short = weight.dims.first().is_some_and(|inner| *inner <= INNER_MAX);
        Ok(match (node.op, input) {
            _ if !node.domain.is_empty() => Err("only ONNX's own operators are rewritten"),
            _ if weights::is_asked_for(node, self.options) => Err("you asked to keep the node"),
            _ if node.outputs.len() != 1 || node.outputs.contains(&"") => Err("the node has no output"),
            ("MatMul" | "Gemm", 1) if weight.dims.len() != 2 => Err("it has not two dimensions"),
            ("MatMul" | "Gemm", 1) if node.input(0).is_none() => Err("the node lacks an input"),
            ("MatMul", 1) if !short => Err("its sums are too long for 32 bits"),
            ("MatMul", 1) => Ok(Form::Product { turned: false }),
            ("MatMul", 0) => Err("it is on the left side"),
            ("Gemm", 1) => {
                let turned = node.int("transB", 0)? != 0;
                let inner = weight.dims.get(usize::from(turned)).copied().unwrap_or_default();
                match () {
                    () if inner > INNER_MAX => Err("its sums are too long for 32 bits"),
                    () if node.int("transA", 0)? != 0 => Err("the other side is turned"),
                    () if node.input(2).is_some() && node.float("beta", 1.0)? != 1.0 => Err("the bias is scaled"),
                    () => Ok(Form::Product { turned }),
                }
            }
            ("Gather", 0) if weight.dims.len() < 2 => Err("it has not two dimensions"),
            ("Gather", 0) if node.input(1).is_none() => Err("the node lacks an input"),
            ("Gather", 0) => {
                let axis = node.int("axis", 0)?;
                let first = axis == 0 || axis.checked_add_unsigned(weight.dims.len() as u64) == Some(0);
                if first { Ok(Form::Table) } else { Err("the node takes no rows of it") }
            }
            _ => Err("only weights of MatMul, Gemm and Gather are made of integers"),
        })
    }

    fn node(&mut self, node: &Node<'a>) -> Result<(), Malformed> {
        let turned = node.is("Gemm") && node.int("transB", 0)? != 0;
        let (product, table) = (Form::Product { turned }, Form::Table);
        let ready = |at: usize, form| node.input(at).filter(|name| self.ready.contains_key(&(*name, form)));
        let is_product = node.is("MatMul") || node.is("Gemm");
        match (ready(1, product), ready(0, table)) {
            (Some(weight), _) if is_product => self.product(node, (weight, product))?,
            (_, Some(weight)) if node.is("Gather") => self.table(node, weight),
            _ => self.build.keep_node(node),
        }
        Ok(())
    }

    fn product(&mut self, node: &Node<'a>, key: (&'a str, Form)) -> Result<(), Malformed> {
        let (integers, scale, zero) = self.quantise(node.input(0).unwrap_or_default());
        let Some(weight) = self.ready.get(&key).map(|ready| ready.integers.clone()) else { return Ok(()) };
        let is_gemm = node.is("Gemm");
        let alpha = if is_gemm { node.float("alpha", 1.0)? } else { 1.0 };
        let factor = if self.activations == Activations::Rows { alpha / HALF_RANGE } else { alpha };
        let weight_scale = self.scale(key, factor);
        let output = node.outputs.first().copied().unwrap_or_default();
        let bias = node.input(2).filter(|_| is_gemm);
        let sums = self.build.step("MatMulInteger", &[&integers, &weight, &zero], (output, "sums"), &[]);
        let floats = self.build.step("Cast", &[&sums], (output, "floats"), &[Attribute::Int("to", FLOAT)]);
        // ONNX Runtime fuses a cast that is multiplied by a product of scales, and takes the first of those for one number:
        // rows' scales are multiplied in one after the other, and are no product themselves.
        let (one, other) = match self.activations {
            Activations::Rows => (self.build.step("Mul", &[&floats, &weight_scale], (output, "columns"), &[]), scale),
            Activations::Tensor => (floats, self.build.step("Mul", &[&scale, &weight_scale], (output, "scale"), &[])),
        };
        let name = if node.name.is_empty() { output } else { node.name };
        match bias {
            None => self.build.node("Mul", (name, &[&one, &other], &[output]), &[]),
            Some(bias) => {
                let product = self.build.step("Mul", &[&one, &other], (output, "product"), &[]);
                self.build.node("Add", (name, &[&product, bias], &[output]), &[]);
            }
        }
        Ok(())
    }

    fn table(&mut self, node: &Node<'a>, weight: &'a str) {
        let rows = node.input(1).unwrap_or_default();
        let Some(integers) = self.ready.get(&(weight, Form::Table)).map(|ready| ready.integers.clone()) else { return };
        let scales = self.scale((weight, Form::Table), 1.0);
        let output = node.outputs.first().copied().unwrap_or_default();
        let axis = [Attribute::Int("axis", 0)];
        let picked = self.build.step("Gather", &[&integers, rows], (output, "int8"), &axis);
        let scale = self.build.step("Gather", &[&scales, rows], (output, "scale"), &axis);
        let floats = self.build.step("Cast", &[&picked], (output, "floats"), &[Attribute::Int("to", FLOAT)]);
        let name = if node.name.is_empty() { output } else { node.name };
        self.build.node("Mul", (name, &[&floats, &scale], &[output]), &[]);
    }

    /// The constant of a weight's scales, times a factor.
    fn scale(&mut self, (weight, form): (&'a str, Form), factor: f32) -> String {
        let key = (weight, form, factor.to_bits());
        if let Some(name) = self.scales.get(&key) {
            return name.clone();
        }
        let Some(ready) = self.ready.get(&(weight, form)) else { return String::new() };
        let scales: Vec<f32> = ready.scales.iter().map(|scale| scale * factor).collect();
        let mut dims = vec![scales.len() as i64];
        if form == Form::Table {
            // One for each row, so that it spreads over the row.
            dims.resize(ready.rank, 1);
        }
        let name = self.build.floats(weight, "scale", &dims, &scales);
        self.scales.insert(key, name.clone());
        name
    }

    /// Makes an activation of integers; once, whoever multiplies it.
    fn quantise(&mut self, left: &'a str) -> Quantised {
        if let Some(known) = self.quantised.get(left) {
            return known.clone();
        }
        let made = match self.activations {
            Activations::Tensor => {
                let made = ["uint8", "scale", "zero"].map(|what| self.build.fresh(left, what));
                let [integers, scale, zero] = &made;
                self.build.node("DynamicQuantizeLinear", (integers, &[left], &[integers, scale, zero]), &[]);
                made.into()
            }
            Activations::Rows => self.quantise_rows(left),
        };
        self.quantised.insert(left, made.clone());
        made
    }

    /// Each row is divided by its largest number, and then has the same step everywhere.
    fn quantise_rows(&mut self, left: &'a str) -> Quantised {
        let [least, step, zero, last] = self.common();
        let sizes = self.build.step("Abs", &[left], (left, "sizes"), &[]);
        // From operator set 18 on the dimensions are an input.
        let largest = match self.opset {
            18.. => self.build.step("ReduceMax", &[&sizes, &last], (left, "largest"), &[]),
            _ => self.build.step("ReduceMax", &[&sizes], (left, "largest"), &[Attribute::Ints("axes", &[-1])]),
        };
        let scale = self.build.step("Max", &[&largest, &least], (left, "scale"), &[]);
        let units = self.build.step("Div", &[left, &scale], (left, "units"), &[]);
        let integers = self.build.step("QuantizeLinear", &[&units, &step, &zero], (left, "uint8"), &[]);
        (integers, scale, zero)
    }

    fn common(&mut self) -> [String; 4] {
        if let Some(common) = &self.common {
            return common.clone();
        }
        let least = self.build.floats("row", "least", &[], &[ROW_MIN]);
        let step = self.build.floats("row", "step", &[], &[1.0 / HALF_RANGE]);
        let zero = self.build.constant("row", "zero", UINT8, &[], &[ZERO]);
        let last = if self.opset >= 18 {
            self.build.constant("row", "last", INT64, &[1], &(-1i64).to_le_bytes())
        } else {
            String::new()
        };
        let common = [least, step, zero, last];
        self.common = Some(common.clone());
        common
    }
}

fn integers(values: &[f32], weight: &Constant<'_>, form: Form) -> Result<Scaled, &'static str> {
    let width: usize = weight.dims.iter().skip(1).map(|dim| usize::try_from(*dim).unwrap_or(0)).product();
    match form {
        Form::Product { turned: false } => numbers::by_columns(values, width),
        Form::Product { turned: true } => {
            let columns = weight.dims.first().map_or(0, |dim| usize::try_from(*dim).unwrap_or(0));
            numbers::by_columns(&numbers::transposed(values, width), columns)
        }
        Form::Table => numbers::by_rows(values, width),
    }
}
