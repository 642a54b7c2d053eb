//! A model's sessions: how they come, go to work and leave.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::LoadError;
use crate::gauge::Gauge;
use crate::model::Model;
use crate::onnx::{Session, SessionSettings};
use crate::pool::{GivenBack, Next};
use crate::stop::LoadStop;
use crate::worker::Work;

impl Model {
    /// Threads of each of its sessions.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// One more session, warm, under the watchdog's eyes and in nobody's count yet. Blocks.
    pub(crate) fn load_session(&self, threads: usize) -> Result<Session, LoadError> {
        let no_room = || LoadError::TooLarge("no room for a further session in the models' budget".to_owned());
        // Taken first: others' models do not go for it.
        let mut share = self.account.share().ok_or_else(no_room)?;
        let settings = SessionSettings { intra_threads: threads, ..self.settings.clone() };
        let gauge = Gauge::read(&self.shared);
        let stop = LoadStop::default();
        let limited = self.shared.limit_load(&stop);
        let session = Session::load(&self.shared.environment, &self.file, &settings, &stop)?;
        drop(limited);
        if !share.settle(gauge.measure(self.device(), self.file_bytes())) {
            return Err(no_room());
        }
        let mut session = session.on(share);
        self.shared.watchdog.watch(session.control());
        self.warm_up.run(&mut session, self.name(), &self.shared);
        Ok(session)
    }

    /// On a loader: loads one more session.
    pub(crate) fn grow(self: &Arc<Self>) {
        match self.load_session(self.threads()) {
            Ok(session) => {
                self.shared.sessions.fetch_add(1, Relaxed);
                self.pool.grown(true);
                self.give_back(session);
            }
            Err(error) => {
                tracing::warn!(model = %self.name(), %error, sessions = self.sessions(), "no further session");
                self.pool.grown(false);
            }
        }
    }

    /// From now on its sessions have as many threads as `session`; the others go when nobody uses them.
    pub(crate) fn use_threads(self: &Arc<Self>, session: Session) {
        let sessions_max = self.tuning.rule.sessions_max(session.threads());
        self.shared.sessions.fetch_add(1, Relaxed);
        let retired = self.pool.replace(session, sessions_max);
        self.shared.sessions.fetch_sub(retired.len(), Relaxed);
        drop(retired);
        self.dispatch();
    }

    /// Sends a session to a worker, or loads one, if a call waits for that.
    pub(crate) fn dispatch(self: &Arc<Self>) {
        match self.pool.next() {
            Next::Serve(session) => self.shared.workers.push(Work::Serve(Arc::clone(self), session)),
            Next::Grow => {
                let model = Arc::clone(self);
                self.shared.loaders.push(Box::new(move || model.grow()));
            }
            Next::Wait => {}
        }
    }

    /// Back into the pool, or to a worker if a call waits.
    pub(crate) fn give_back(self: &Arc<Self>, session: Session) {
        match self.pool.give_back(session) {
            GivenBack::Kept => {}
            GivenBack::Wanted(session) => self.shared.workers.push(Work::Serve(Arc::clone(self), session)),
            GivenBack::Retired(session) => {
                self.shared.sessions.fetch_sub(1, Relaxed);
                drop(session);
                self.dispatch();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use modelet_spec::Flow;

    use super::*;
    use crate::overhead::runtime;
    use crate::{AlignedBuf, ElementType, ModelOptions, Shape, Tensor};

    fn digits() -> Arc<Model> {
        let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/models/digits.onnx")).unwrap();
        runtime().load(bytes, ModelOptions { sessions_max: Some(2), ..ModelOptions::named("digits") }).unwrap()
    }

    fn run(model: &Arc<Model>) -> usize {
        let shape = Shape::new(&[1, 64]).unwrap();
        let input = Tensor::new(ElementType::F32, shape, AlignedBuf::zeroed(256).unwrap()).unwrap();
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        executor.block_on(model.run(Flow::new(1, 1), vec![("X".to_owned(), input)])).unwrap().len()
    }

    #[test]
    fn sessions_with_another_number_of_threads_replace_the_old_ones_as_these_come_back() {
        let model = digits();
        assert_eq!((run(&model), model.threads(), model.sessions()), (2, 1, 1));
        let busy = model.pool.take_idle().unwrap();
        model.use_threads(model.load_session(2).unwrap());
        assert_eq!((model.threads(), model.sessions()), (2, 2), "the old one is at work");
        assert_eq!(run(&model), 2);
        model.give_back(busy);
        assert_eq!((model.threads(), model.sessions()), (2, 1));
        model.use_threads(model.load_session(1).unwrap());
        assert_eq!((model.threads(), model.sessions(), run(&model)), (1, 1, 2), "an idle one goes at once");
    }
}
