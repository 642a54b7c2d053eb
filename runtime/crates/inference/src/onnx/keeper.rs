//! Makes the arena give memory back.
//!
//! ONNX Runtime shrinks an arena at the end of a run that asks for it, and in no other way. After the last model has gone no
//! run is left to ask. So the runtime keeps a session of its own, of one `Identity`, and runs that.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::environment::Environment;
use super::options::{SessionPlace, SessionSettings};
use super::session::Session;
use crate::buffer::AlignedBuf;
use crate::element::ElementType;
use crate::error::LoadError;
use crate::model_file::ModelFile;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// `y = Identity(x)`, any number of `f32` each: IR version 8, operator set 13. The lengths before each message are below 128, so one byte.
const IDENTITY: [u8; 59] = [
    0x08, 8, // ir_version
    0x3a, 51, // graph
    0x0a, 16, // its node
    0x0a, 1, b'x', 0x12, 1, b'y', 0x22, 8, b'I', b'd', b'e', b'n', b't', b'i', b't',
    b'y', // input, output, operator
    0x12, 1, b'g', // the graph's name
    0x5a, 13, // its input
    0x0a, 1, b'x', 0x12, 8, 0x0a, 6, 0x08, 1, 0x12, 2, 0x0a, 0, // name; tensor of floats of one unnamed dimension
    0x62, 13, // its output
    0x0a, 1, b'y', 0x12, 8, 0x0a, 6, 0x08, 1, 0x12, 2, 0x0a, 0, // the same
    0x42, 2, 0x10, 13, // opset_import: version 13 of ONNX's own operators
];

/// The session that shrinks.
pub(crate) struct Keeper(Mutex<Session>);

impl Keeper {
    pub(crate) fn new(environment: &Environment) -> Result<Self, LoadError> {
        let settings = SessionSettings {
            intra_threads: 1,
            optimise: false,
            prepack: false,
            folded_bytes_max: 0,
            place: SessionPlace::cpu(),
            optimised_to: None,
        };
        let file = ModelFile::from(IDENTITY.as_slice());
        Session::load_shrinking(environment, &file, &settings).map(|session| Self(Mutex::new(session)))
    }

    /// Frees the regions of the arena that nothing is in.
    pub(crate) fn shrink(&self) {
        // Of no elements: an output with any would be in a region when the others are freed, and keep that one whole.
        let Ok(shape) = Shape::new(&[0]) else { return };
        let Ok(nothing) = Tensor::new(ElementType::F32, shape, AlignedBuf::copy_of(&[])) else { return };
        let mut session = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        session.control().begin(now, false, Duration::MAX);
        if let Err(error) = session.run(&[nothing], now).result {
            tracing::warn!(%error, "the arena did not shrink");
        }
    }
}
