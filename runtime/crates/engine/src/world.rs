//! The worlds that a function can be built for, and what runs the guests of each.
//!
//! They have an engine of wasmtime each: a guest of `wasi:http` 0.3 needs its concurrency support, and the bookkeeping of that would
//! cost every guest of 0.2 a third of its throughput (decision 0019).

use modelet_spec::ServerLimits;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy};

use crate::error::CompileError;
use crate::inspect::Inspection;
use crate::state::GuestState;
use crate::{host, settings};

/// What a component is built to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// `wasi:http` 0.2: a function that returns when it is done.
    Proxy,
    /// `wasi:http` 0.3: an async function. Served only where the operator says so.
    Service,
}

impl World {
    /// The world of a component that exports these names. One that is built for both is served by 0.2, which every server offers.
    pub(crate) fn of(exports: &[String]) -> Option<Self> {
        let has = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
        [Self::Proxy, Self::Service].into_iter().find(|world| has(world.handler()))
    }

    /// The name in listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "wasi:http/proxy@0.2",
            Self::Service => "wasi:http/service@0.3",
        }
    }

    /// What a component of this world exports.
    fn handler(self) -> &'static str {
        match self {
            Self::Proxy => "wasi:http/incoming-handler@0.2",
            Self::Service => "wasi:http/handler@0.3",
        }
    }
}

/// What guests of one world are compiled by and linked with.
pub(crate) struct Offer {
    pub(crate) world: World,
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<GuestState>,
}

/// All worlds that are served.
pub(crate) struct Offers {
    pub(crate) proxy: Offer,
    pub(crate) service: Option<Offer>,
}

impl Offers {
    /// `is_async`: whether 0.3 is served as well.
    pub(crate) fn new(limits: &ServerLimits, is_async: bool) -> wasmtime::Result<Self> {
        let service = is_async.then(|| Offer::new(World::Service, limits)).transpose()?;
        Ok(Self { proxy: Offer::new(World::Proxy, limits)?, service })
    }

    /// Every world that is served.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Offer> {
        std::iter::once(&self.proxy).chain(&self.service)
    }

    /// What a component is to be served by.
    ///
    /// # Errors
    /// When it is no function, imports what is not offered, or is built for a world that is not served here.
    pub(crate) fn find(&self, inspection: &Inspection) -> Result<&Offer, CompileError> {
        if !inspection.refused.is_empty() {
            return Err(CompileError::Imports(inspection.refused.clone()));
        }
        match World::of(&inspection.exports) {
            Some(World::Proxy) => Ok(&self.proxy),
            Some(World::Service) => self.service.as_ref().ok_or(CompileError::NotServed),
            None => Err(CompileError::NoHandler { exports: inspection.exports.clone() }),
        }
    }

    /// Has all guests look at their deadlines.
    pub(crate) fn tick(&self) {
        self.all().for_each(|offer| offer.wasmtime.increment_epoch());
    }
}

impl Offer {
    fn new(world: World, limits: &ServerLimits) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&config(limits, world))?;
        let mut linker = Linker::new(&wasmtime);
        host::link(&mut linker, world)?;
        Ok(Self { world, wasmtime, linker })
    }
}

/// What code for a world is made with.
pub(crate) fn compiling(world: World) -> Config {
    let mut config = settings::compiling();
    config.concurrency_support(world == World::Service);
    config
}

fn config(limits: &ServerLimits, world: World) -> Config {
    if world == World::Proxy {
        return settings::config(limits);
    }
    let mut pool = settings::pooling(limits);
    // A guest may have several calls of its own components suspended, each on a stack.
    pool.total_stacks(limits.instances_total.saturating_mul(2));
    let mut config = compiling(world);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_for_both_is_served_by_the_world_that_every_server_offers() {
        let of = |exports: &[&str]| World::of(&exports.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let (old, new) = ("wasi:http/incoming-handler@0.2.6", "wasi:http/handler@0.3.2");
        assert_eq!(of(&[new, old]), Some(World::Proxy));
        assert_eq!(of(&["something", new]), Some(World::Service));
        assert_eq!(of(&["wasi:http/handler@0.4.0"]), None);
        assert_eq!(of(&[]), None);
    }
}
