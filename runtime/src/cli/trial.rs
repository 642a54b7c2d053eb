//! `modelet trial`, which the server starts for itself: tries the model that stdin names.

use modelet_control::{TrialJob, trial_child};

use super::child;

pub(crate) fn run() -> anyhow::Result<()> {
    child::run("trial", |job: &TrialJob| job.limits, trial_child)
}
