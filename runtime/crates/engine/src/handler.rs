//! The component of a function, of either world: ready to be instantiated, and one instance of it.

use wasmtime::component::Component;
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::state::GuestState;
use crate::world::{Offer, World};

/// A component with the host behind its imports.
pub(crate) enum HandlerPre {
    Proxy(ProxyPre<GuestState>),
    Service(ServicePre<GuestState>),
}

/// What an instance exports.
pub(crate) enum Handler {
    Proxy(Proxy),
    Service(Service),
}

impl HandlerPre {
    pub(crate) fn new(offer: &Offer, component: &Component) -> wasmtime::Result<Self> {
        let pre = offer.linker.instantiate_pre(component)?;
        Ok(match offer.world {
            World::Proxy => Self::Proxy(ProxyPre::new(pre)?),
            World::Service => Self::Service(ServicePre::new(pre)?),
        })
    }

    pub(crate) fn world(&self) -> World {
        match self {
            Self::Proxy(_) => World::Proxy,
            Self::Service(_) => World::Service,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Self::Proxy(pre) => pre.engine(),
            Self::Service(pre) => pre.engine(),
        }
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<GuestState>) -> wasmtime::Result<Handler> {
        Ok(match self {
            Self::Proxy(pre) => Handler::Proxy(pre.instantiate_async(store).await?),
            Self::Service(pre) => Handler::Service(pre.instantiate_async(store).await?),
        })
    }
}
