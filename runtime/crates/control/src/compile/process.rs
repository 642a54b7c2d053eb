//! What the process does that compiles a component, once it has limited itself.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use modelet_engine::{CompileError, Compiler, ImageLimits, image};
use modelet_spec::Digest;

use super::job::{CompileAnswer, CompileJob, Compiled, ImageAnswer, ImageJob};

/// Time on processors that this process has taken.
type Cpu = fn() -> Duration;

/// Compiles a component, and makes its image.
#[must_use]
pub fn compile(job: &CompileJob, cpu: Cpu) -> CompileAnswer {
    match compiled(job, cpu) {
        Ok(compiled) => CompileAnswer::Compiled(compiled),
        Err(refused) => refused,
    }
}

fn compiled(job: &CompileJob, cpu: Cpu) -> Result<Compiled, CompileAnswer> {
    let wasm = fs::read(&job.component).map_err(|error| failed(&"the component", &error))?;
    if Digest::of(&wasm) != job.digest {
        return Err(failed(&"the component", &"its bytes are not what they were"));
    }
    let compiler = Compiler::new().map_err(|error| failed(&"the compiler", &error))?;
    if compiler.id() != job.engine {
        return Err(failed(&"the compiler", &format!("it is {}, the server has {}", compiler.id(), job.engine)));
    }
    let code = compiler.compile(&wasm).map_err(|error| CompileAnswer::Refused(why(error)))?;
    write(&job.code_to, &code)?;
    drop(code);
    let image = job.image.as_ref().map(|wanted| make_image(&compiler, &wasm, wanted, cpu)).transpose()?;
    Ok(Compiled { cpu: cpu(), image })
}

/// Runs `init` and compiles what it leaves. Whatever is wrong with that, the component works without.
fn make_image(compiler: &Compiler, wasm: &[u8], job: &ImageJob, cpu: Cpu) -> Result<ImageAnswer, CompileAnswer> {
    let limits = ImageLimits {
        memory_bytes: job.memory_bytes,
        table_elements: job.table_elements,
        component_bytes: job.component_bytes,
        cpu: job.cpu,
    };
    let made = match image(wasm, limits, cpu) {
        Ok(made) => made,
        Err(why) => return Ok(ImageAnswer::None(why.to_string())),
    };
    // The only check that the image is a component at all.
    match compiler.compile(&made) {
        Ok(code) => {
            write(&job.code_to, &code)?;
            Ok(ImageAnswer::Made)
        }
        Err(error) => Ok(ImageAnswer::None(format!("its image does not compile: {}", why(error)))),
    }
}

/// Why the compiler refused it, without what the server says before it again.
fn why(error: CompileError) -> String {
    match error {
        CompileError::Invalid(why) => why,
        error => error.to_string(),
    }
}

fn write(path: &Path, code: &[u8]) -> Result<(), CompileAnswer> {
    fs::write(path, code).map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => CompileAnswer::NoRoom,
        _ => failed(&"the code", &error),
    })
}

fn failed(what: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> CompileAnswer {
    CompileAnswer::Failed(format!("{what}: {why}"))
}
