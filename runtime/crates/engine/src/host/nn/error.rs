//! `wasi:nn/errors`: what went wrong, as the guest reads it.
//!
//! `wasi:nn` has no code for "not now": it is a `runtime-error` whose text begins with `retry-after-ms=N: `, so that a guest
//! can tell it from a model that failed.

use modelet_inference::{LoadError, RunError};
use wasmtime::component::Resource;

use super::wit::errors::{ErrorCode, Host, HostError};
use crate::ports::ModelsError;
use crate::state::GuestState;

/// The resource behind `error`.
pub struct GuestError {
    pub(super) code: ErrorCode,
    pub(super) data: String,
}

impl GuestError {
    pub(super) fn new(code: ErrorCode, data: impl Into<String>) -> Self {
        Self { code, data: data.into() }
    }
}

impl From<RunError> for GuestError {
    fn from(error: RunError) -> Self {
        let code = match &error {
            RunError::InvalidArgument(_) => ErrorCode::InvalidArgument,
            RunError::TooLarge(_) => ErrorCode::TooLarge,
            RunError::Timeout => ErrorCode::Timeout,
            RunError::Busy { .. } | RunError::Cancelled | RunError::Failed(_) => ErrorCode::RuntimeError,
        };
        match error {
            RunError::Busy { retry_after } => {
                Self::new(code, format!("retry-after-ms={}: {error}", retry_after.as_millis()))
            }
            error => Self::new(code, error.to_string()),
        }
    }
}

impl From<ModelsError> for GuestError {
    fn from(error: ModelsError) -> Self {
        let code = match &error {
            ModelsError::NotFound(_) => ErrorCode::NotFound,
            ModelsError::Load(LoadError::TooLarge(_)) => ErrorCode::TooLarge,
            ModelsError::Load(_) => ErrorCode::RuntimeError,
        };
        Self::new(code, error.to_string())
    }
}

impl Host for GuestState {}

impl HostError for GuestState {
    fn code(&mut self, error: Resource<GuestError>) -> wasmtime::Result<ErrorCode> {
        Ok(self.table.get(&error)?.code)
    }

    fn data(&mut self, error: Resource<GuestError>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.data.clone())
    }

    fn drop(&mut self, error: Resource<GuestError>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn not_now_can_be_told_from_a_failure() {
        let busy = GuestError::from(RunError::Busy { retry_after: Duration::from_millis(250) });
        assert!(matches!(busy.code, ErrorCode::RuntimeError));
        assert!(busy.data.starts_with("retry-after-ms=250: the model's queue is full"), "{}", busy.data);
        assert_eq!(GuestError::from(RunError::Failed("it".to_owned())).data, "the model failed: it");
    }
}
