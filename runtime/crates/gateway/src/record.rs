//! The one entry that every request makes in the metrics, whatever became of it.
//!
//! A record lives from the head's arrival to the end of the answer's body and writes itself when it is dropped: a client
//! that leaves at any point in between drops it, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use modelet_engine::Spans;
use modelet_engine::ports;
use modelet_spec::InvocationId;

use crate::body::Intake;
use crate::connection::Connection;
use crate::meter::{ANSWERED, Meter};
use crate::metrics::Stage;
use crate::respond::CLIENT_LEFT;
use crate::shadow::{Copied, Kept};

/// The reason of a request whose client left before, or while, it was answered.
const CANCELLED: &str = "cancelled";
/// The reason of an answer that its function did not finish.
const CUT: &str = "answer-cut";

/// What is known of one request so far.
#[derive(Debug)]
pub(crate) struct Record {
    connection: Arc<Connection>,
    id: InvocationId,
    arrived: Instant,
    /// When the last stage ended.
    marked: Instant,
    stages: Vec<(Stage, Duration)>,
    /// What the engine adds to them; none unless `server_timing` is on.
    spans: Option<Arc<Spans>>,
    meter: Option<Arc<Meter>>,
    intake: Option<Arc<Intake>>,
    /// What is kept of it for the function's shadow, if it has one.
    copied: Option<Box<Copied>>,
    /// Whether who asked may see the function's insides.
    by_owner: bool,
    status: &'static str,
    reason: &'static str,
    sent: u64,
}

impl Record {
    /// A request arrived.
    pub(crate) fn begin(
        connection: Arc<Connection>,
        id: InvocationId,
        arrived: Instant,
        deadline: Instant,
    ) -> Box<Self> {
        connection.activity.begin(arrived, deadline);
        Box::new(Self {
            connection,
            id,
            arrived,
            marked: arrived,
            stages: Vec::new(),
            spans: None,
            meter: None,
            intake: None,
            copied: None,
            by_owner: false,
            // What stands when nothing else is written: the future was dropped.
            status: CLIENT_LEFT,
            reason: CANCELLED,
            sent: 0,
        })
    }

    /// The invocation's id.
    pub(crate) fn id(&self) -> InvocationId {
        self.id
    }

    /// Whose request it is.
    pub(crate) fn routed(&mut self, meter: Arc<Meter>) {
        self.meter = Some(meter);
    }

    /// Whether who asked owns the function.
    pub(crate) fn asked_by_owner(&mut self, is_owner: bool) {
        self.by_owner = is_owner;
    }

    /// Whether the answer may show the function's insides.
    pub(crate) fn is_by_owner(&self) -> bool {
        self.by_owner
    }

    /// Where the request's body is counted, if it has one.
    pub(crate) fn receiving(&mut self, intake: Option<Arc<Intake>>) {
        self.intake = intake;
    }

    /// The request is kept for the function's shadow.
    pub(crate) fn copying(&mut self, copied: Option<Box<Copied>>) {
        self.copied = copied;
    }

    /// Where the request's body is to be kept, too.
    pub(crate) fn copied_body(&self) -> Option<Arc<Kept>> {
        self.copied.as_ref().map(|copied| copied.body())
    }

    /// A piece of the answer goes out.
    pub(crate) fn answered(&mut self, piece: Option<&Bytes>) {
        if let Some((copied, piece)) = self.copied.as_mut().zip(piece) {
            copied.answered(piece);
        }
    }

    /// A stage ended.
    pub(crate) fn stage(&mut self, stage: Stage) {
        let now = Instant::now();
        let duration = now.saturating_duration_since(self.marked);
        self.marked = now;
        self.took(stage, duration);
    }

    /// There was nothing to do in a stage: no clock is read for that.
    pub(crate) fn no_time(&mut self, stage: Stage) {
        self.took(stage, Duration::ZERO);
    }

    fn took(&mut self, stage: Stage, duration: Duration) {
        self.connection.gateway.metrics.stage(stage, duration);
        if self.connection.gateway.config.server_timing {
            self.stages.push((stage, duration));
        }
    }

    /// When the last stage ended.
    pub(crate) fn marked(&self) -> Instant {
        self.marked
    }

    /// Where the engine writes its times down, if anybody is to be told.
    pub(crate) fn spans(&mut self) -> Option<Arc<Spans>> {
        if self.connection.gateway.config.server_timing {
            self.spans = Some(Arc::default());
        }
        self.spans.clone()
    }

    /// The stages so far, in the order of the contract; empty unless `server_timing` is on. What the engine spent before and
    /// inside of the guest is part of `guest`, too.
    pub(crate) fn stages(&self) -> Vec<(&'static str, Duration)> {
        let inside = |stages: &[(&'static str, ports::Stage)]| {
            let spans = self.spans.as_deref();
            let of = |(name, stage): &(&'static str, ports::Stage)| Some((*name, spans?.of(*stage)));
            stages.iter().filter_map(of).filter(|(_, took)| !took.is_zero()).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        for (stage, took) in &self.stages {
            if *stage == Stage::Guest {
                all.extend(inside(&[("compile", ports::Stage::Compile), ("instantiate", ports::Stage::Instantiate)]));
            }
            all.push((stage.name(), *took));
        }
        all.extend(inside(&[("load", ports::Stage::Load), ("infer", ports::Stage::Infer)]));
        all
    }

    /// No guest sees the request.
    pub(crate) fn rejected(&self, code: &'static str) {
        self.meter().rejected(code);
    }

    /// The head of the answer is decided. `code`: why it is the gateway's own, or `None` when the guest answered.
    pub(crate) fn answering(&mut self, status: &'static str, code: Option<&'static str>) {
        self.status = status;
        self.reason = code.unwrap_or(ANSWERED);
    }

    /// So many bytes of the answer went out.
    pub(crate) fn sent(&mut self, bytes: usize, is_last: bool) {
        self.sent = self.sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if !is_last {
            self.connection.activity.moved(Instant::now());
        }
    }

    /// Bytes of the answer that went out.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.sent
    }

    /// The guest did not finish its answer.
    pub(crate) fn cut(&mut self) {
        self.reason = CUT;
    }

    /// The client did not wait for the end of the answer.
    pub(crate) fn cancelled(&mut self) {
        if self.reason == ANSWERED {
            self.reason = CANCELLED;
        }
    }

    fn meter(&self) -> &Meter {
        self.meter.as_deref().unwrap_or_else(|| self.connection.gateway.metrics.unrouted())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = Instant::now();
        self.connection.activity.end(now);
        let meter = self.meter();
        let duration = now.saturating_duration_since(self.arrived);
        tracing::debug!(invocation = %self.id, status = self.status, reason = self.reason, ?duration, "a request ended");
        meter.request(self.status, self.reason, duration);
        meter.bytes(self.intake.as_ref().map_or(0, |intake| intake.bytes()), self.sent);
        if let Some(copied) = self.copied.take() {
            copied.end(&self.connection.gateway, self.id, self.status, self.reason == ANSWERED);
        }
    }
}
