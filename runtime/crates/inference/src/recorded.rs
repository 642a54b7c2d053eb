//! What is remembered of a model's calls, to warm its next load with: the shapes and types of their inputs. No value of a call is
//! kept, for longer than its run or at all.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::element::ElementType;
use crate::error::TensorError;
use crate::sample::{self, Inputs};
use crate::shape::Shape;

/// Calls of different shapes that are remembered; the newest.
const CALLS_MAX: usize = 4;
/// Bytes that the inputs of one call may have: its replay takes them for as long as the model is loaded. Larger calls are not
/// remembered.
const CALL_BYTES_MAX: usize = 1 << 20;

/// A call, as far as it is remembered: each input's name, element type and dimensions.
#[derive(Clone, Debug)]
pub struct CallShape(Vec<(String, ElementType, Shape)>);

/// The last calls of one owner, if its model's card lets them be remembered.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    is_on: AtomicBool,
    /// What tells a call's shape from others, of those that are remembered; 0 is none. Looked at without the lock.
    known: [AtomicU64; CALLS_MAX],
    calls: Mutex<VecDeque<CallShape>>,
}

impl CallShape {
    fn of(inputs: &Inputs) -> Self {
        let shape =
            |(name, tensor): &(String, crate::Tensor)| (name.clone(), tensor.element_type(), tensor.shape().clone());
        Self(inputs.iter().map(shape).collect())
    }

    /// A call of this shape, of zeros, ones and numbers between.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn made_up(&self) -> Result<Inputs, TensorError> {
        let make = |(name, element, shape): &(String, ElementType, Shape)| {
            Ok((name.clone(), sample::fill(*element, shape.clone(), 1)?))
        };
        self.0.iter().map(make).collect()
    }

    /// Never 0.
    fn mark(&self) -> u64 {
        mark(self.0.iter().map(|(name, element, shape)| (name.as_str(), *element, shape)))
    }
}

impl Recorder {
    /// Begins, or ends and forgets.
    pub(crate) fn turn(&self, on: bool) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_on.store(on, Relaxed);
        calls.clear();
        self.known.iter().for_each(|known| known.store(0, Relaxed));
    }

    /// The shape of a call that is about to run, if it is new here. To be kept once the call has been answered.
    pub(crate) fn unknown(&self, inputs: &Inputs) -> Option<CallShape> {
        if !self.is_on.load(Relaxed) {
            return None;
        }
        let mark = mark(inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.element_type(), tensor.shape())));
        if self.known.iter().any(|known| known.load(Relaxed) == mark) {
            return None;
        }
        let bytes: usize = inputs.iter().map(|(_, tensor)| tensor.own_bytes()).sum();
        (bytes <= CALL_BYTES_MAX).then(|| CallShape::of(inputs))
    }

    /// Keeps a shape, in place of the oldest if there are too many. A call does not wait for another to be done with this.
    pub(crate) fn keep(&self, call: CallShape) {
        let Ok(mut calls) = self.calls.try_lock() else { return };
        let mark = call.mark();
        let is_known = || self.known.iter().any(|known| known.load(Relaxed) == mark);
        if !self.is_on.load(Relaxed) || is_known() {
            return;
        }
        if calls.len() >= CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
        let marks = calls.iter().map(CallShape::mark).chain(std::iter::repeat(0));
        self.known.iter().zip(marks).for_each(|(known, mark)| known.store(mark, Relaxed));
    }

    /// What is remembered, the oldest first.
    pub(crate) fn read(&self) -> Vec<CallShape> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn mark<'a>(inputs: impl Iterator<Item = (&'a str, ElementType, &'a Shape)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, element, shape) in inputs {
        (name, element, shape.dims()).hash(&mut hasher);
    }
    hasher.finish().max(1)
}

/// `ids i64 [1, 12], mask i64 [1, 12]`
impl fmt::Display for CallShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, element, shape)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {element} {shape}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuf, Tensor};

    fn call(dims: &[u64], byte: u8) -> Inputs {
        let len = dims.iter().product::<u64>() as usize;
        let tensor = Tensor::new(ElementType::U8, Shape::new(dims).unwrap(), AlignedBuf::copy_of(&vec![byte; len]));
        vec![("x".to_owned(), tensor.unwrap())]
    }

    fn recorded(recorder: &Recorder) -> Vec<String> {
        recorder.read().iter().map(ToString::to_string).collect()
    }

    fn recording() -> Recorder {
        let recorder = Recorder::default();
        recorder.turn(true);
        recorder
    }

    #[test]
    fn the_last_few_shapes_are_remembered_each_once() {
        let recorder = recording();
        for dims in [1, 2, 1, 3, 4, 5, 5] {
            if let Some(shape) = recorder.unknown(&call(&[dims], 7)) {
                recorder.keep(shape);
            }
        }
        assert_eq!(recorded(&recorder), ["x u8 [2]", "x u8 [3]", "x u8 [4]", "x u8 [5]"]);
        assert!(recorder.unknown(&call(&[4], 0)).is_none() && recorder.unknown(&call(&[1], 0)).is_some());
    }

    #[test]
    fn no_value_is_kept_and_a_replay_has_none_of_them() {
        let recorder = recording();
        recorder.keep(recorder.unknown(&call(&[2, 3], 0xa7)).unwrap());
        let replay = recorder.read()[0].made_up().unwrap();
        assert_eq!((replay[0].0.as_str(), replay[0].1.shape().dims()), ("x", &[2, 3][..]));
        assert!(replay[0].1.bytes().iter().all(|byte| *byte <= 1), "{:?}", replay[0].1.bytes());
    }

    #[test]
    fn large_calls_and_those_of_a_model_that_wants_none_are_not_remembered() {
        assert!(recording().unknown(&call(&[CALL_BYTES_MAX as u64 + 1], 0)).is_none());
        let recorder = Recorder::default();
        assert!(recorder.unknown(&call(&[1], 0)).is_none());
        recorder.turn(true);
        let shape = recorder.unknown(&call(&[1], 0)).unwrap();
        recorder.keep(shape.clone());
        recorder.turn(false);
        assert_eq!(recorded(&recorder), [""; 0]);
        recorder.keep(shape);
        assert_eq!(recorded(&recorder), [""; 0], "a call that began before");
    }
}
