//! What holds for one function: the field-wise minimum of what all three parties allow.

use super::{FunctionLimits, ServerLimits, TenantLimits};
use std::num::NonZeroU32;
use std::time::Duration;

/// What holds for one function. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveLimits {
    /// All memory of one instance: its linear memories, its tables, its tensors on the host, and what the host holds of its bytes in
    /// headers, bodies and logs.
    pub memory: u64,
    /// Elements of all tables of one instance.
    pub table_elements: u64,
    /// Wall-clock time of one invocation.
    pub time: Duration,
    /// Time that the guest may compute in one invocation.
    pub cpu: Duration,
    /// A request's body.
    pub request_body: u64,
    /// An answer's body.
    pub response_body: u64,
    /// Invocations at a time.
    pub concurrency: u32,
    /// Invocations at a time of all functions of its tenant.
    pub concurrency_tenant: u32,
    /// Requests per second to all functions of its tenant; `None`: as many as come.
    pub requests_per_second: Option<NonZeroU32>,
    /// Invocations that wait for a permit.
    pub queue: u32,
    /// Header fields of one message, names and values.
    pub header_bytes: usize,
    /// What one host call may bring out of the guest: wasmtime's hostcall fuel. No more than its memory, or a list that names the
    /// same bytes over and over would be copied to more than the guest may have.
    pub hostcall_bytes: usize,
    /// Handles that one instance holds at a time.
    pub resources: usize,
    /// Random bytes asked for in one call.
    pub random_bytes: u64,
    /// Log of one invocation.
    pub log_bytes: u64,
    /// Tensors that the host holds for one instance.
    pub tensor_bytes: u64,
    /// What is kept by `wasi:keyvalue`.
    pub keyvalue: KeyValueQuota,
    /// What leaves by `wasi:http`.
    pub outbound: OutboundLimits,
}

/// What a function's tenant keeps by `wasi:keyvalue`, in all its functions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValueQuota {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Bytes of one value.
    pub value_bytes: u64,
}

/// What a function's own requests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundLimits {
    /// Connections out of the function at a time.
    pub function: u32,
    /// Connections out of all functions of its tenant at a time.
    pub tenant: u32,
    /// Requests of one invocation.
    pub calls: u32,
    /// The body of an answer, in bytes.
    pub response_bytes: u64,
    /// The head of an answer, in bytes.
    pub header_bytes: usize,
}

impl EffectiveLimits {
    /// The field-wise minimum. A function cannot raise what the tenant or the server allows; a tenant cannot raise the server's.
    #[must_use]
    pub fn of(server: &ServerLimits, tenant: &TenantLimits, function: &FunctionLimits) -> Self {
        let wish = function.filled();
        let memory = least(server.memory, tenant.memory, wish.memory).0;
        let time = least(server.time, tenant.time, wish.time);
        Self {
            memory,
            table_elements: server.table_elements,
            time,
            // Nobody computes for longer than the invocation lasts.
            cpu: least(server.cpu, tenant.cpu, wish.cpu).min(time),
            request_body: least(server.request_body, tenant.request_body, wish.body).0,
            response_body: least(server.response_body, tenant.response_body, wish.response).0,
            concurrency: least(server.concurrency, tenant.concurrency, wish.concurrency).min(server.concurrency_total),
            concurrency_tenant: lesser(server.concurrency_tenant, tenant.concurrency).min(server.concurrency_total),
            requests_per_second: tenant.requests_per_second,
            queue: least(server.queue, tenant.queue, wish.queue),
            header_bytes: server.header_bytes.as_len(),
            hostcall_bytes: server.hostcall_bytes.as_len().min(usize::try_from(memory).unwrap_or(usize::MAX)),
            resources: usize::try_from(server.resources).unwrap_or(usize::MAX),
            random_bytes: server.random_bytes.0,
            log_bytes: least(server.log_bytes, tenant.log_bytes, wish.log).0,
            tensor_bytes: least(server.tensor_bytes, tenant.tensor_bytes, wish.tensors).0,
            keyvalue: KeyValueQuota {
                keys: lesser(server.keyvalue_keys, tenant.keyvalue_keys),
                bytes: lesser(server.keyvalue_bytes, tenant.keyvalue_bytes).0,
                value_bytes: server.keyvalue_value.0,
            },
            outbound: OutboundLimits {
                function: server.outbound_function,
                tenant: lesser(server.outbound_tenant, tenant.outbound),
                calls: server.outbound_calls,
                response_bytes: lesser(server.outbound_response, tenant.outbound_response).0,
                header_bytes: server.header_bytes.as_len(),
            },
        }
    }
}

/// For what a function has no wish of its own.
fn lesser<T: Ord>(server: T, tenant: Option<T>) -> T {
    match tenant {
        Some(tenant) => server.min(tenant),
        None => server,
    }
}

fn least<T: Ord>(server: T, tenant: Option<T>, function: T) -> T {
    let both = server.min(function);
    match tenant {
        Some(tenant) => both.min(tenant),
        None => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::ByteSize;
    use proptest::prelude::*;

    #[test]
    fn a_function_that_wishes_for_nothing_gets_the_documented_defaults() {
        let limits =
            EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default());
        assert_eq!(limits.memory, 128 << 20);
        assert_eq!((limits.time, limits.cpu), (Duration::from_secs(30), Duration::from_secs(10)));
        assert_eq!((limits.request_body, limits.response_body), (8 << 20, 64 << 20));
        assert_eq!((limits.concurrency, limits.queue), (32, 64));
    }

    #[test]
    fn computing_never_outlasts_the_invocation() {
        let wish = FunctionLimits { time: Some(Duration::from_secs(2)), ..FunctionLimits::default() };
        let limits = EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &wish);
        assert_eq!(limits.cpu, Duration::from_secs(2));
    }

    #[test]
    fn a_tenant_has_as_many_at_a_time_as_the_server_at_most() {
        let servers = ServerLimits { concurrency_total: 100, concurrency_tenant: 200, ..ServerLimits::default() };
        let of = |concurrency| {
            let tenants = TenantLimits { concurrency, ..TenantLimits::default() };
            let limits = EffectiveLimits::of(&servers, &tenants, &FunctionLimits::default());
            (limits.concurrency, limits.concurrency_tenant)
        };
        assert_eq!((of(None), of(Some(50)), of(Some(7))), ((32, 100), (32, 50), (7, 7)));
    }

    #[test]
    fn one_host_call_brings_no_more_than_the_memory() {
        let wish = FunctionLimits { memory: Some(ByteSize::mib(2)), ..FunctionLimits::default() };
        let limits = EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &wish);
        assert_eq!(limits.hostcall_bytes, 2 << 20);
    }

    proptest! {
        #[test]
        fn no_party_gets_more_than_another_allows(server: u64, tenant: Option<u64>, function: u64) {
            let servers = ServerLimits { memory: ByteSize(server), ..ServerLimits::default() };
            let tenants = TenantLimits { memory: tenant.map(ByteSize), ..TenantLimits::default() };
            let functions = FunctionLimits { memory: Some(ByteSize(function)), ..FunctionLimits::default() };
            let memory = EffectiveLimits::of(&servers, &tenants, &functions).memory;
            prop_assert_eq!(memory, server.min(function).min(tenant.unwrap_or(u64::MAX)));
        }
    }
}
