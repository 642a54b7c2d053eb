//! What a warm-start image is worth: the first request to a new instance with it, and without.
//!
//! Where the guest answers without and does not with, the image is given up. What calls there are is as in [`trial`](super::trial);
//! what they make the guest write goes nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_engine::ports::{CodeImage, NoLog};
use modelet_engine::{Function, FunctionSpec};
use modelet_store::OutputFile;

use super::trial::{Call, call, case, request, spec};
use super::{Draft, LINK_MAX};
use crate::code::{Made, NewCode};
use crate::compile::{FirstRequests, Image};
use crate::control::{Control, blocking};
use crate::error::ControlError;

/// Instances that are made and asked of each kind, by turns.
const ROUNDS: usize = 3;

/// Compares code that was just made with an image with that without, and has the better in its place.
pub(super) async fn compare(control: &Arc<Control>, draft: &Draft, made: &mut Made) -> Result<(), ControlError> {
    let Some((plain, digest)) = made.plain.take() else { return Ok(()) };
    let with = control.codes.given(draft.component, &made.record);
    let without = CodeImage::File { path: plain.path().to_owned(), digest };
    match measured(control, draft, (without, with)).await? {
        Ok(first) => {
            made.record.image = Some(Image::Made { first }.json()?);
            Ok(())
        }
        Err(why) => give_up(control, draft, made, (plain, why)).await,
    }
}

/// Puts the code without in the place of that with.
async fn give_up(
    control: &Arc<Control>,
    draft: &Draft,
    made: &mut Made,
    (plain, why): (OutputFile, String),
) -> Result<(), ControlError> {
    let (this, component) = (Arc::clone(control), draft.component);
    let kept = blocking(move || this.codes.keep(&component, plain, Some(&Image::None { why })));
    made.record = kept.await?;
    Ok(())
}

/// The figures, if the guest answers both ways; or why the image is none that it can live with.
async fn measured(
    control: &Arc<Control>,
    draft: &Draft,
    (without, with): (CodeImage, CodeImage),
) -> Result<Result<Option<FirstRequests>, String>, ControlError> {
    // Hold the components in memory, so that no round but these reads them.
    let (first, second) = (rehearsal(control, draft, &without)?, rehearsal(control, draft, &with)?);
    first.wake(Instant::now() + LINK_MAX).await?;
    if let Err(error) = second.wake(Instant::now() + LINK_MAX).await {
        return Ok(Err(format!("with it the component cannot be used: {error}")));
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let Some((how, took)) = once(control, draft, &without).await? else { return Ok(Ok(None)) };
        if how != Call::Fine {
            return Ok(Ok(None));
        }
        before.push(took);
        let Some((how, took)) = once(control, draft, &with).await? else { return Ok(Ok(None)) };
        match how {
            Call::Fine => after.push(took),
            Call::Unknown => return Ok(Ok(None)),
            Call::FineThen(what) | Call::Failed(what) => {
                return Ok(Err(format!("with it its guest {what}, and without it does not")));
            }
        }
    }
    Ok(Ok(median(before).zip(median(after)).map(|(before, after)| FirstRequests { before, after })))
}

/// The first call of a new instance, and how long it took with the making of that. `None`: there is nothing to call it with.
async fn once(
    control: &Arc<Control>,
    draft: &Draft,
    code: &CodeImage,
) -> Result<Option<(Call, Duration)>, ControlError> {
    let Some(request) = request(case(draft).as_ref(), None) else { return Ok(None) };
    let function = rehearsal(control, draft, code)?;
    function.wake(Instant::now() + LINK_MAX).await?;
    let began = Instant::now();
    Ok(Some((call(&function, request).await, began.elapsed())))
}

/// The function with this code, for one call.
fn rehearsal(control: &Control, draft: &Draft, code: &CodeImage) -> Result<Arc<Function>, ControlError> {
    let spec = FunctionSpec { log: Arc::new(NoLog), ..spec(control, draft)? };
    Ok(control.engine.rehearsal(Arc::new(NewCode(code.clone())), spec))
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
