//! Extractors whose refusals are problems: wrong JSON, an unknown parameter, a body over its limit.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::ControlError;

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// The query's parameters.
pub(crate) struct Params<T>(pub(crate) T);

/// A name in the path.
pub(crate) struct Name<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ControlError> {
        let axum::Json(value) = axum::Json::from_request(request, state).await.map_err(|e| match e {
            JsonRejection::BytesRejection(e) => ControlError::Body(e.body_text()),
            other => ControlError::BadRequest(other.body_text()),
        })?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let refuse = |e: QueryRejection| ControlError::BadRequest(e.body_text());
        let Query(value) = Query::from_request_parts(parts, state).await.map_err(refuse)?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Name<T> {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let refuse = |e: PathRejection| ControlError::BadRequest(e.body_text());
        let Path(value) = Path::from_request_parts(parts, state).await.map_err(refuse)?;
        Ok(Self(value))
    }
}
