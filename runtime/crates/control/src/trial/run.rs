//! Trying models, one at a time, each in a process of its own.

use std::sync::Arc;

use modelet_inference::Facts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use super::death;
use super::job::{Rewritten, TrialAnswer, TrialJob};
use crate::child::{self, ChildConfig, ChildLimits, Running};
use crate::error::ControlError;

/// How models are tried.
#[derive(Clone, Debug)]
pub struct TrialConfig {
    /// The binary that `trial` is a command of, and what one trial may take.
    pub child: ChildConfig,
    /// ONNX Runtime's arena, in bytes; as in the server, so that the same is folded.
    pub arena_max_bytes: u64,
}

type Outcomes = Family<[(&'static str, &'static str); 1], Counter>;

/// Tries models, one at a time.
#[derive(Debug)]
pub struct Trials {
    config: TrialConfig,
    /// Each may take all of a processor and twice its model's memory.
    turn: Semaphore,
    outcomes: Outcomes,
}

impl Trials {
    /// None has begun.
    #[must_use]
    pub fn new(config: TrialConfig) -> Self {
        Self { config, turn: Semaphore::new(1), outcomes: Family::default() }
    }

    /// How many trials ended how: `stood`, `refused` with an answer, `died` without one.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("modelet_model_trials", "Models tried, by how it ended.", self.outcomes.clone());
    }

    /// What a trial's process sets for itself.
    pub(crate) fn limits(&self) -> ChildLimits {
        self.config.child.limits
    }

    /// ONNX Runtime's arena in a trial.
    pub(crate) fn arena_max_bytes(&self) -> u64 {
        self.config.arena_max_bytes
    }

    /// Tries a model when its turn has come. Dropping the future ends the process.
    ///
    /// # Errors
    /// [`ControlError::Model`] with the reason, or the process could not be started.
    pub async fn run(&self, job: TrialJob) -> Result<Facts, ControlError> {
        match self.answer(job).await? {
            TrialAnswer::Facts(facts) => {
                tracing::info!(batch = ?facts.batch, no_form = ?facts.no_optimised_form, "what a trial found");
                Ok(*facts)
            }
            _ => Err(ControlError::Internal("a trial answered another question".to_owned())),
        }
    }

    /// Makes a smaller model when its turn has come, in a process like that of a trial. Dropping the future ends it.
    ///
    /// # Errors
    /// [`ControlError::Model`], [`ControlError::NotOptimised`] or [`ControlError::BadRequest`] with the reason, or the process
    /// could not be started.
    pub async fn rewrite(&self, job: TrialJob) -> Result<Rewritten, ControlError> {
        match self.answer(job).await? {
            TrialAnswer::Rewritten(made) => Ok(*made),
            _ => Err(ControlError::Internal("a rewrite answered another question".to_owned())),
        }
    }

    async fn answer(&self, job: TrialJob) -> Result<TrialAnswer, ControlError> {
        // Never closed, so there always is a turn in the end.
        let _turn = self.turn.acquire().await;
        let began = std::time::Instant::now();
        let (name, is_rewrite) = (job.name.clone(), job.rewrite.is_some());
        let answer = self.one(job).await;
        let seconds = began.elapsed().as_secs_f64();
        match &answer {
            Ok(_) => tracing::info!(model = %name, is_rewrite, seconds, "tried a model"),
            Err(error) => {
                tracing::info!(model = %name, is_rewrite, seconds, %error, "a model did not stand its trial");
            }
        }
        answer
    }

    /// What the process answered, if it was no refusal.
    async fn one(&self, job: TrialJob) -> Result<TrialAnswer, ControlError> {
        let internal = |what: &str, error: &dyn std::fmt::Display| ControlError::Internal(format!("{what}: {error}"));
        let input = serde_json::to_vec(&job).map_err(|error| internal("a trial's job", &error))?;
        let running =
            child::start(&self.config.child, "trial").map_err(|error| internal("a trial's process", &error))?;
        let running = Arc::new(running);
        // Ends the process when this future is dropped, so that the thread below ends too.
        let _end = EndWith(Arc::clone(&running));
        let answer = tokio::task::spawn_blocking(move || running.answer(input)).await?;
        let limits = self.limits();
        let (outcome, answer) = match answer {
            Ok(TrialAnswer::Refused(why)) => ("refused", Err(ControlError::Model(why))),
            Ok(TrialAnswer::NotRewritten(why)) => ("refused", Err(ControlError::NotOptimised(why))),
            Ok(TrialAnswer::BadWish(why)) => ("refused", Err(ControlError::BadRequest(why))),
            Ok(answer @ (TrialAnswer::Facts(_) | TrialAnswer::Rewritten(_))) => ("stood", Ok(answer)),
            Err(death) => ("died", Err(ControlError::Model(death::reason(&death, &limits)))),
        };
        self.outcomes.get_or_create(&[("outcome", outcome)]).inc();
        answer
    }
}

/// Ends a process when it is dropped, whoever else waits for it.
struct EndWith(Arc<Running>);

impl Drop for EndWith {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::RewriteJob;
    use crate::wire::optimise::{Activations, Precision};
    use modelet_spec::ModelCard;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    const LIMITS: ChildLimits = ChildLimits { memory_bytes: 1 << 30, cpu_s: 7, file_bytes: 0 };

    /// The trial of a binary that is this shell script.
    async fn tried(script: &str, time: Duration) -> (String, Registry) {
        let (trials, registry, _dir) = trials(script, time);
        (trials.run(job(None)).await.unwrap_err().to_string(), registry)
    }

    fn trials(script: &str, time: Duration) -> (Trials, Registry, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("modelet");
        std::fs::write(&exe, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o700)).unwrap();
        let child = ChildConfig { exe, limits: LIMITS, time };
        let trials = Trials::new(TrialConfig { child, arena_max_bytes: 0 });
        let mut registry = Registry::default();
        trials.register(&mut registry);
        (trials, registry, dir)
    }

    fn job(rewrite: Option<RewriteJob>) -> TrialJob {
        TrialJob {
            name: "m".to_owned(),
            library: "/none".into(),
            model: "/none".into(),
            folder: None,
            optimised_to: None,
            samples: vec![],
            card: ModelCard::default(),
            limits: LIMITS,
            arena_max_bytes: 0,
            rewrite,
        }
    }

    /// The rewrite by a binary that is this shell script.
    async fn rewritten(script: &str) -> Result<Rewritten, ControlError> {
        let (trials, _, _dir) = trials(script, Duration::from_secs(60));
        let wish = RewriteJob {
            precision: Precision::Int8,
            activations: Activations::Rows,
            keep: vec![],
            has_given: false,
            written_to: "/none".into(),
        };
        trials.rewrite(job(Some(wish))).await
    }

    fn metrics(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[tokio::test]
    async fn a_process_that_dies_is_a_refusal_that_says_how() {
        let long = Duration::from_secs(60);
        for (script, why) in [
            ("kill -SEGV $$", "a fault in memory (signal 11), within 1024 MiB"),
            ("kill -XCPU $$", "more than 7 s of processor time"),
            ("kill -KILL $$", "was killed"),
            ("exit 3", "left with status 3 and without an answer"),
            ("echo '{\"facts\": 1}'; echo gone >&2", "left with status 0 and without an answer"),
            ("exec cat /dev/zero", "wrote more than an answer can have"),
        ] {
            let (refused, registry) = tried(script, long).await;
            assert!(refused.contains(why), "{script}: {refused}");
            assert!(metrics(&registry).contains("modelet_model_trials_total{outcome=\"died\"} 1"), "{script}");
        }
    }

    #[tokio::test]
    async fn a_process_that_does_not_end_is_killed_when_its_time_is_over() {
        let (refused, _) = tried("exec cat", Duration::from_millis(50)).await;
        assert!(!refused.is_empty(), "it ends with its stdin");
        let (refused, _) = tried("exec tail -f /dev/null", Duration::from_millis(50)).await;
        assert!(refused.contains("its trial took longer than 0.05 s"), "{refused}");
    }

    #[tokio::test]
    async fn an_answer_is_what_counts_and_the_job_comes_by_stdin() {
        let answer = r#"read -r job; case "$job" in *'"name":"m"'*) echo '{"refused":"no good"}';; esac"#;
        let (refused, registry) = tried(answer, Duration::from_secs(60)).await;
        assert!(refused.ends_with("no good"), "{refused}");
        assert!(metrics(&registry).contains("modelet_model_trials_total{outcome=\"refused\"} 1"));
    }

    #[tokio::test]
    async fn a_rewrite_has_the_same_limits_and_its_death_is_a_refusal() {
        let refused = rewritten("kill -SEGV $$").await.unwrap_err();
        assert!(
            matches!(&refused, ControlError::Model(why) if why.contains("a fault in memory (signal 11)")),
            "{refused}"
        );
        let refused = rewritten("kill -XCPU $$").await.unwrap_err();
        assert!(refused.to_string().contains("more than 7 s of processor time"), "{refused}");
        let told = |kind: &str| format!("cat >/dev/null; echo '{{\"{kind}\":\"so\"}}'");
        assert!(matches!(rewritten(&told("refused")).await, Err(ControlError::Model(why)) if why == "so"));
        assert!(matches!(rewritten(&told("not-rewritten")).await, Err(ControlError::NotOptimised(why)) if why == "so"));
        assert!(matches!(rewritten(&told("bad-wish")).await, Err(ControlError::BadRequest(why)) if why == "so"));
        let made = r#"{"bytes":1,"compared":"made-up","calls":4,"outputs":[],"rewritten":2,"kept":0,"weights":[],"mixes_now":null}"#;
        let answer = |script: &str| format!("{script} echo '{{\"rewritten\":{made}}}'");
        let asked = r#"read -r job; case "$job" in *'"written_to":"/none"'*) ;; *) exit 3;; esac;"#;
        assert_eq!(rewritten(&answer(asked)).await.unwrap().calls, 4);
        let (refused, _) = tried(&answer("cat >/dev/null;"), Duration::from_secs(60)).await;
        assert!(refused.contains("the server failed inside"), "the answer to another question: {refused}");
    }

    #[tokio::test]
    async fn a_process_gets_no_environment() {
        let script = "if [ -n \"$HOME$PATH_OF_MINE$CARGO\" ]; then kill -SEGV $$; fi; exit 4";
        let (refused, _) = tried(script, Duration::from_secs(60)).await;
        assert!(refused.contains("status 4"), "{refused}");
    }
}
