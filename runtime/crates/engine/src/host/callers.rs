//! Asks whose call it is, before each host call that depends on it: what writes a log, sends a request, runs a model. Linked for
//! guests of `wasi:http` 0.3 alone, whose instances may have several requests at a time. The calls themselves are as ever.

use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::streams::{Host as _, HostOutputStream as _, StreamError};
use wasmtime_wasi::p2::{DynOutputStream, StreamResult};
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use super::{logging, nn};
use crate::shared::whose;
use crate::state::GuestState;

type Store<'a> = StoreContextMut<'a, GuestState>;
type Written = wasmtime::Result<(Result<(), StreamError>,)>;
type Sent = wasmtime::Result<(Result<Resource<Response>, ErrorCode>,)>;

/// To be called when all else is linked.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap("[method]output-stream.write", write)?;
    streams.func_wrap_async("[method]output-stream.blocking-write-and-flush", |store, given| {
        Box::new(write_and_flush(store, given))
    })?;
    let mut client = linker.instance("wasi:http/client@0.3.0")?;
    client.func_wrap_concurrent("send", |accessor, (request,)| Box::pin(send(accessor, request)))?;
    logging::link_for_several(linker)?;
    nn::link_for_several(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn write(mut store: Store<'_>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)) -> Written {
    whose(&mut store)?;
    let state = store.data_mut();
    let written = state.ctx().table.write(stream, bytes);
    told(state, written)
}

async fn write_and_flush(mut store: Store<'_>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)) -> Written {
    whose(&mut store)?;
    let state = store.data_mut();
    let written = state.ctx().table.blocking_write_and_flush(stream, bytes).await;
    told(state, written)
}

/// The error that a guest is told, or the trap.
fn told(state: &mut GuestState, written: StreamResult<()>) -> Written {
    Ok((match written {
        Ok(()) => Ok(()),
        Err(error) => Err(state.table.convert_stream_error(error)?),
    },))
}

async fn send(accessor: &Accessor<GuestState>, request: Resource<Request>) -> Sent {
    accessor.with(|mut store| whose(&mut wasmtime::AsContextMut::as_context_mut(&mut store)))?;
    let sent = WasiHttp::send(&accessor.with_getter::<WasiHttp>(GuestState::http), request).await;
    Ok((match sent {
        Ok(answer) => Ok(answer),
        Err(error) => Err(error.downcast()?),
    },))
}
