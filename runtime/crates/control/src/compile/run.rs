//! Compiling components, one at a time, each in a process of its own.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use modelet_spec::Digest;
use modelet_store::{OutputFile, Store, StoreError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::death::reason;
use super::job::{CompileAnswer, CompileJob, Compiled, ImageAnswer, ImageJob};
use crate::child::{self, ChildConfig, Death};
use crate::error::ControlError;

/// Of the processor time of one process, this part is for `init`; compiling what it leaves takes some, too.
const INIT_PART: u32 = 4;

/// How components are compiled.
#[derive(Clone, Debug)]
pub struct CompileConfig {
    /// The binary that `compile` is a command of, and what one process may take.
    pub child: ChildConfig,
    /// Linear memories of an `init`, in bytes.
    pub init_memory_bytes: u64,
    /// Elements of its tables.
    pub init_table_elements: u64,
    /// A component with its image, in bytes.
    pub component_bytes: u64,
}

type Outcomes = Family<[(&'static str, &'static str); 1], Counter>;

/// Compiles components.
#[derive(Debug)]
pub(crate) struct Compiles {
    config: CompileConfig,
    store: Arc<Store>,
    /// The id of the engine that code is for.
    engine: String,
    /// Each takes several cores and much memory by itself.
    turn: Mutex<()>,
    outcomes: Outcomes,
    images: Outcomes,
    seconds: Counter<f64, AtomicU64>,
    cpu_seconds: Counter<f64, AtomicU64>,
}

/// Whether a component's `init` is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The component as it is.
    Code,
    /// What `init` leaves of it, too.
    Image,
}

/// Code that was just made. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// Of the component as it is.
    pub(crate) code: OutputFile,
    /// Of what its `init` left, if that was wanted; or why there is none.
    pub(crate) image: Option<Result<OutputFile, String>>,
    /// How long all of it took.
    pub(crate) took: Took,
}

/// How long it took to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    /// From its turn on.
    pub(crate) time: Duration,
    /// On processors.
    pub(crate) cpu: Duration,
}

impl Compiles {
    pub(crate) fn new(config: CompileConfig, store: Arc<Store>, engine: String, registry: &mut Registry) -> Self {
        let compiles = Self {
            config,
            store,
            engine,
            turn: Mutex::default(),
            outcomes: Family::default(),
            images: Family::default(),
            seconds: Counter::default(),
            cpu_seconds: Counter::default(),
        };
        compiles.register(registry);
        compiles
    }

    /// How many ended how: `compiled`, `refused` with an answer, `died` without one; and what they took.
    fn register(&self, registry: &mut Registry) {
        registry.register("modelet_compiles", "Components compiled, by how it ended.", self.outcomes.clone());
        let help = "Warm-start images that were wanted, by whether there is one.";
        registry.register("modelet_images", help, self.images.clone());
        let help = "Time that compiling took, in processes of its own";
        registry.register_with_unit("modelet_compile", help, Unit::Seconds, self.seconds.clone());
        let help = "Processor time of compilations that gave code, in processes of their own";
        registry.register_with_unit("modelet_compile_cpu", help, Unit::Seconds, self.cpu_seconds.clone());
    }

    /// Waits for the turn to compile: who holds it looks first whether somebody else has just done it.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles the component in a file, whose bytes have this digest. For whoever has the turn; blocks.
    ///
    /// Where the process does not live to make an image, another makes the code alone: no `init` makes a component useless.
    ///
    /// # Errors
    /// The compiler refused it, or the process did not live to answer.
    pub(crate) fn compile(&self, component: &Path, digest: Digest, wanted: Wanted) -> Result<Fresh, ControlError> {
        let began = Instant::now();
        match self.timed(component, digest, wanted) {
            // A killed one says nothing of what it did.
            Err(ControlError::NotCompiled(death)) if wanted == Wanted::Image && death != Death::Killed => {
                let Fresh { code, took, .. } = self.timed(component, digest, Wanted::Code)?;
                self.count_image(false);
                let why = format!("the process that was to make it did not live: {}", reason(&death));
                Ok(Fresh { code, image: Some(Err(why)), took: Took { time: began.elapsed(), ..took } })
            }
            made => made,
        }
    }

    fn timed(&self, component: &Path, digest: Digest, wanted: Wanted) -> Result<Fresh, ControlError> {
        let began = Instant::now();
        let made = self.one(component, digest, wanted);
        let time = began.elapsed();
        self.seconds.inc_by(time.as_secs_f64());
        match &made {
            Ok(fresh) => {
                let (seconds, cpu) = (time.as_secs_f64(), fresh.took.cpu.as_secs_f64());
                let no_image = fresh.image.as_ref().and_then(|image| image.as_ref().err());
                tracing::info!(%digest, seconds, cpu, no_image, "compiled");
            }
            Err(error) => tracing::info!(%digest, seconds = time.as_secs_f64(), %error, "not compiled"),
        }
        made
    }

    fn one(&self, component: &Path, digest: Digest, wanted: Wanted) -> Result<Fresh, ControlError> {
        let began = Instant::now();
        let internal = |what: &str, error: &dyn std::fmt::Display| ControlError::Internal(format!("{what}: {error}"));
        let code = self.store.begin_output()?;
        let place = (wanted == Wanted::Image).then(|| self.store.begin_output()).transpose()?;
        let job = CompileJob {
            component: component.to_owned(),
            digest,
            engine: self.engine.clone(),
            code_to: code.path().to_owned(),
            limits: self.config.child.limits,
            image: place.as_ref().map(|place| self.image_job(place)),
        };
        let job = serde_json::to_vec(&job).map_err(|error| internal("a compiler's job", &error))?;
        let running = child::start(&self.config.child, "compile").map_err(|e| internal("a compiler's process", &e))?;
        let compiled = self.told(running.answer(job))?;
        let image = match (compiled.image, place) {
            (Some(ImageAnswer::Made), Some(place)) => Some(Ok(place)),
            (Some(ImageAnswer::None(why)), Some(_)) => Some(Err(why)),
            (None, None) => None,
            _ => return Err(ControlError::Internal("a compiler answered another question".to_owned())),
        };
        if let Some(image) = &image {
            self.count_image(image.is_ok());
        }
        Ok(Fresh { code, image, took: Took { time: began.elapsed(), cpu: compiled.cpu } })
    }

    fn count_image(&self, is_made: bool) {
        let outcome = if is_made { "made" } else { "refused" };
        self.images.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn image_job(&self, place: &OutputFile) -> ImageJob {
        ImageJob {
            code_to: place.path().to_owned(),
            memory_bytes: self.config.init_memory_bytes,
            table_elements: self.config.init_table_elements,
            component_bytes: self.config.component_bytes,
            cpu: Duration::from_secs(self.config.child.limits.cpu_s) / INIT_PART,
        }
    }

    /// Counts an end, and names it.
    fn told(&self, answer: Result<CompileAnswer, Death>) -> Result<Compiled, ControlError> {
        let no_memory = Death::Memory(self.config.child.limits.memory_bytes);
        let (outcome, told) = match answer {
            Ok(CompileAnswer::Compiled(compiled)) => {
                self.cpu_seconds.inc_by(compiled.cpu.as_secs_f64());
                ("compiled", Ok(compiled))
            }
            Ok(CompileAnswer::Refused(why)) => {
                ("refused", Err(ControlError::Component(modelet_engine::CompileError::Invalid(why))))
            }
            Ok(CompileAnswer::NoMemory) => ("died", Err(ControlError::NotCompiled(no_memory))),
            Ok(CompileAnswer::NoRoom) => ("died", Err(ControlError::DiskFull(self.no_room()))),
            Ok(CompileAnswer::Failed(why)) => ("died", Err(ControlError::Internal(format!("compiling: {why}")))),
            Err(death) => ("died", Err(ControlError::NotCompiled(death))),
        };
        self.outcomes.get_or_create(&[("outcome", outcome)]).inc();
        told
    }

    fn no_room(&self) -> StoreError {
        let source = std::io::ErrorKind::StorageFull.into();
        StoreError::Io { doing: "write compiled code below", path: self.store.data_dir().to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::ChildLimits;
    use std::os::unix::fs::PermissionsExt;

    /// Compilations by a binary that is this shell script.
    struct Host {
        compiles: Compiles,
        registry: Registry,
        dir: tempfile::TempDir,
    }

    fn host(script: &str, time: Duration) -> Host {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("modelet");
        std::fs::write(&exe, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o700)).unwrap();
        let limits = ChildLimits { memory_bytes: 1 << 30, cpu_s: 8, file_bytes: 0 };
        let child = ChildConfig { exe, limits, time };
        let config = CompileConfig { child, init_memory_bytes: 1, init_table_elements: 2, component_bytes: 3 };
        let store = Arc::new(Store::open(&dir.path().join("data")).unwrap());
        let mut registry = Registry::default();
        let compiles = Compiles::new(config, store, "engine".to_owned(), &mut registry);
        Host { compiles, registry, dir }
    }

    impl Host {
        fn compile(&self, wanted: Wanted) -> Result<Fresh, ControlError> {
            self.compiles.compile(Path::new("/none"), Digest::of(b"none"), wanted)
        }

        fn metrics(&self) -> String {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
            text
        }

        fn left(&self) -> usize {
            std::fs::read_dir(self.dir.path().join("data/tmp")).unwrap().count()
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_process_that_dies_is_a_refusal_that_says_how_and_leaves_nothing() {
        let no_memory = "echo 'memory allocation of 5 bytes failed' >&2; kill -ABRT $$";
        for (script, death) in [
            ("kill -SEGV $$", Death::Crashed(11)),
            ("kill -ABRT $$", Death::Crashed(6)),
            (no_memory, Death::Memory(1 << 30)),
            ("kill -XCPU $$", Death::Cpu(8)),
            ("kill -KILL $$", Death::Killed),
            ("kill -XFSZ $$", Death::File),
            ("exit 3", Death::Left(3)),
            ("exec cat /dev/zero", Death::Output),
            ("cat >/dev/null; echo '\"no-memory\"'", Death::Memory(1 << 30)),
        ] {
            let host = host(script, LONG);
            let refused = host.compile(Wanted::Code).unwrap_err();
            assert!(matches!(&refused, ControlError::NotCompiled(how) if *how == death), "{script}: {refused}");
            assert_eq!(host.left(), 0, "{script}");
            assert!(host.metrics().contains("modelet_compiles_total{outcome=\"died\"} 1"), "{}", host.metrics());
        }
        let late = host("exec tail -f /dev/null", Duration::from_millis(50)).compile(Wanted::Code).unwrap_err();
        assert!(matches!(&late, ControlError::NotCompiled(Death::Time(_))), "{late}");
    }

    #[test]
    fn a_process_that_dies_of_the_image_is_followed_by_one_that_makes_the_code_alone() {
        let made = r#"{"compiled":{"cpu":{"secs":1,"nanos":0},"image":null}}"#;
        let dies = format!("read -r job; case \"$job\" in *'\"image\":null'*) echo '{made}';; *) kill -XCPU $$;; esac");
        let host = host(&dies, LONG);
        let fresh = host.compile(Wanted::Image).unwrap();
        let why = fresh.image.as_ref().and_then(|image| image.as_ref().err());
        assert!(why.is_some_and(|why| why.contains("more than 8 s of processor time")), "{why:?}");
        assert_eq!(host.left(), 1, "the code");
        for line in ["compiles_total{outcome=\"died\"} 1", "compiles_total{outcome=\"compiled\"} 1"] {
            assert!(host.metrics().contains(line), "{line}: {}", host.metrics());
        }
        let killed = self::host("kill -KILL $$", LONG).compile(Wanted::Image).unwrap_err();
        assert!(matches!(killed, ControlError::NotCompiled(Death::Killed)), "{killed}");
    }

    #[test]
    fn the_job_comes_by_stdin_and_the_answer_says_what_was_made() {
        let asked = r#"read -r job; case "$job" in *'"engine":"engine"'*'"memory_bytes":1,'*'"secs":2,'*) ;; *) exit 3;; esac;"#;
        let answer =
            |image: &str| format!(r#"{asked} echo '{{"compiled":{{"cpu":{{"secs":1,"nanos":0}},"image":{image}}}}}'"#);
        let host_of = |image: &str| host(&answer(image), LONG);
        let made = host_of("\"made\"");
        let fresh = made.compile(Wanted::Image).unwrap();
        assert!(matches!(fresh.image, Some(Ok(_))), "{fresh:?}");
        assert_eq!((fresh.took.cpu, made.left()), (Duration::from_secs(1), 2));
        drop(fresh);
        assert_eq!(made.left(), 0);
        for line in ["modelet_images_total{outcome=\"made\"} 1", "modelet_compile_cpu_seconds_total 1"] {
            assert!(made.metrics().contains(line), "{line}: {}", made.metrics());
        }
        let none = host_of(r#"{"none":"it cannot be"}"#);
        let fresh = none.compile(Wanted::Image).unwrap();
        assert!(matches!(&fresh.image, Some(Err(why)) if why == "it cannot be"), "{fresh:?}");
        assert!(none.metrics().contains("modelet_images_total{outcome=\"refused\"} 1"), "{}", none.metrics());
        let stray = host_of("null").compile(Wanted::Image).unwrap_err();
        assert!(matches!(stray, ControlError::Internal(_)), "{stray}");
        let refused = host("cat >/dev/null; echo '{\"refused\":\"no good\"}'", LONG).compile(Wanted::Code).unwrap_err();
        assert_eq!(refused.to_string(), "the component does not compile: no good");
        let failed = host("cat >/dev/null; echo '{\"failed\":\"a secret\"}'", LONG).compile(Wanted::Code).unwrap_err();
        assert!(!failed.to_string().contains("secret"), "{failed}");
    }
}
