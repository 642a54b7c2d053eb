//! What each party allows, and what follows for one function.
//!
//! Three parties speak: the operator ([`ServerLimits`]: ceilings, with defaults), the operator about one tenant
//! ([`TenantLimits`]), and the function's author ([`FunctionLimits`]: wishes, with defaults that are lower than the
//! ceilings). [`EffectiveLimits`] is their field-wise minimum, computed once at deploy; whatever is measured later is
//! measured against it.

mod effective;
mod function;
mod server;
mod tenant;

pub use effective::{EffectiveLimits, KeyValueQuota, OutboundLimits};
pub use function::FunctionLimits;
pub use server::ServerLimits;
pub use tenant::TenantLimits;
