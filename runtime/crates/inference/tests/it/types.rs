//! Every element type goes in and comes out as the same bytes.

use modelet_inference::{ElementType, Shape, Tensor};

use crate::support::{self, flow, load, named, tensor};

/// `x` TYPE [n] → `y` the same.
async fn echo(name: &str, given: Tensor) -> Tensor {
    let model = load(&crate::runtime(), &format!("identity_{name}.onnx"));
    assert_eq!(model.description().inputs[0].element_type.name(), name);
    let mut outputs = model.run(flow(), named(vec![("x", given)])).await.unwrap();
    let (output_name, output) = outputs.remove(0);
    assert_eq!(&*output_name, "y");
    output
}

#[tokio::test]
async fn types_of_whole_bytes_come_back_unchanged() {
    use ElementType as E;
    let types = [
        E::F32,
        E::F64,
        E::F16,
        E::BF16,
        E::U8,
        E::U16,
        E::U32,
        E::U64,
        E::I8,
        E::I16,
        E::I32,
        E::I64,
        E::F8E4M3FN,
        E::F8E4M3FNUZ,
        E::F8E5M2,
        E::F8E5M2FNUZ,
    ];
    for element in types {
        // Odd bit patterns on purpose: NaNs, negative zeros, extremes; nothing may be interpreted on the way.
        let bytes: Vec<u8> = (0..5 * element.bytes().unwrap()).map(|i| (i * 37 + 128) as u8).collect();
        let given = tensor(element, &[5], &bytes);
        let output = echo(element.name(), given).await;
        assert_eq!(output.element_type(), element);
        assert_eq!(output.shape().dims(), [5]);
        assert_eq!(output.bytes(), bytes, "{element}");
        assert_eq!(output.byte_owner().as_ref(), bytes);
    }
}

#[tokio::test]
async fn booleans_are_bytes_and_bytes_are_taken_for_booleans() {
    let output = echo("bool", tensor(ElementType::Bool, &[3], &[1, 0, 1])).await;
    assert_eq!((output.element_type(), output.bytes()), (ElementType::Bool, &[1, 0, 1][..]));
    let output = echo("bool", tensor(ElementType::U8, &[3], &[2, 0, 255])).await;
    assert_eq!((output.element_type(), output.bytes()), (ElementType::Bool, &[1, 0, 1][..]));
}

#[tokio::test]
async fn strings_of_any_content_come_back() {
    let texts: Vec<String> = ["", "plain", "with\0nul", "Grüße, 世界", &"long ".repeat(1000)].map(String::from).into();
    let output = echo("string", Tensor::strings(Shape::new(&[5]).unwrap(), texts.clone()).unwrap()).await;
    assert_eq!(output.element_type(), ElementType::String);
    assert_eq!(output.as_strings().unwrap(), texts);
    assert!(output.bytes().is_empty());
}

#[tokio::test]
async fn empty_tensors_are_tensors() {
    let output = echo("f32", tensor(ElementType::F32, &[0], &[])).await;
    assert_eq!((output.shape().dims(), output.bytes().len()), (&[0][..], 0));
    let output = echo("string", Tensor::strings(Shape::new(&[0]).unwrap(), vec![]).unwrap()).await;
    assert_eq!(output.as_strings().unwrap().len(), 0);
}

#[tokio::test]
async fn four_bit_types_are_packed_two_to_a_byte() {
    let runtime = crate::runtime();
    let cases = [("cast_u4.onnx", ElementType::U4, [1, 15, 8]), ("cast_i4.onnx", ElementType::I4, [1, -1, -8])];
    for (name, element, expected) in cases {
        let given = tensor(element, &[3], &[0xf1, 0x08]);
        let outputs = load(&runtime, name).run(flow(), named(vec![("x", given)])).await.unwrap();
        let numbers: Vec<i32> =
            outputs[0].1.bytes().chunks_exact(4).map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap())).collect();
        assert_eq!(numbers, expected, "{name}");
    }
}

#[tokio::test]
async fn a_scalar_may_be_given_as_one_element() {
    let model = load(&crate::runtime(), "add_scalars.onnx");
    assert_eq!(model.description().inputs[0].to_string(), "f32 []");
    for dims in [&[][..], &[1]] {
        let inputs = named(vec![("b", support::f32s(dims, &[2.0])), ("a", support::f32s(&[], &[0.5]))]);
        let outputs = model.run(flow(), inputs).await.unwrap();
        assert_eq!(outputs[0].1.shape().rank(), 0);
        assert_eq!(support::as_f32s(&outputs[0].1), [2.5]);
    }
}

#[tokio::test]
async fn the_deepest_model_that_loads_runs() {
    let model = load(&crate::runtime(), "nested_if.onnx");
    let go = |yes: u8| named(vec![("go", tensor(ElementType::U8, &[1], &[yes])), ("x", support::f32s(&[1], &[0.5]))]);
    let deep = model.run(flow(), go(1)).await.unwrap();
    assert_eq!(support::as_f32s(&deep[0].1), [30.5]);
    let shallow = model.run(flow(), go(0)).await.unwrap();
    assert_eq!(support::as_f32s(&shallow[0].1), [0.5]);
}

#[tokio::test]
async fn an_output_outlives_its_input_and_its_model() {
    let output = echo("f32", support::f32s(&[2], &[1.0, -2.0])).await;
    let copy = output.clone();
    drop(output);
    assert_eq!(support::as_f32s(&copy), [1.0, -2.0]);
}

/// A field that holds bytes.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(body.len()).unwrap()], body].concat()
}

#[tokio::test]
async fn an_input_that_is_an_output_is_shared() {
    // A model with no node: `x` f32 [n] is its input and its output.
    let shape = field(2, &field(1, &field(2, b"n")));
    let port = [field(1, b"x"), field(2, &field(1, &[vec![1 << 3, 1], shape].concat()))].concat();
    let graph = [field(2, b"g"), field(11, &port), field(12, &port)].concat();
    let model = [vec![1 << 3, 8], field(7, &graph), field(8, &[2 << 3, 17])].concat();
    let model = crate::runtime().load(model, modelet_inference::ModelOptions::named("through")).unwrap();
    let given = support::f32s(&[2], &[1.0, -2.0]);
    let outputs = model.run(flow(), named(vec![("x", given.clone())])).await.unwrap();
    assert_eq!(outputs[0].1.bytes().as_ptr(), given.bytes().as_ptr(), "no copy");
    assert_eq!(model.copies(), modelet_inference::Copies::default());
    // The output owns the bytes as well as the input did: both it and the model outlive it.
    drop((given, model));
    assert_eq!(support::as_f32s(&outputs[0].1), [1.0, -2.0]);
}
