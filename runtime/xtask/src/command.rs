//! What was typed.

pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup [FLAGS]      lay what is missing: the wasm32-wasip2 target, ONNX Runtime, the models
                     --bench: also what `bench inference` and `bench instances` lay by themselves: a 90 MB model, wasmtime 49
                     --gpu: also the ONNX Runtime that can use CUDA 13 and TensorRT, 256 MB
  demo [--keep]      setup, build, serve, deploy functions/file-type, post a real file to it
                     --keep: leave the server running, on 127.0.0.1:8080, with its data in .modelet
  test [ARGS]        setup, build the server and the guests, run all tests; ARGS go to nextest (or cargo test)
  ci                 formatting, lints, documentation, test, the admin API, demo, five minutes of soak, ten cycles of chaos
  bench NAME         run one bench; prints only its rows on stdout
  conformance        the ONNX backend cases through a guest component, a function in Python, the admin API against its document;
                     `languages` or `admin-api`: that alone
  soak [FLAGS]       a server at work for an hour, with guests of every kind: fails when it grows or loses an answer
                     --minutes N: how long
                     --debug: with the server that tests use, instead of a release build
  chaos [FLAGS]      a server that is killed two hundred times while it is changed: fails when it loses a change, or makes half of one
                     --cycles N: how often; --seed S: the same choices again; --debug as above

MODELET_WASM_TARGET=source makes setup build the wasm target from source before it asks rustup for it.";

/// One command line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the usage.
    Help,
    /// Lay what is missing.
    Setup {
        /// Also what only benches need.
        benches: bool,
        /// Also the ONNX Runtime for GPUs.
        gpu: bool,
    },
    /// From nothing to an answer.
    Demo {
        /// Leave the server running at the end.
        keep: bool,
    },
    /// All tests, or those that the arguments pick.
    Test {
        /// For the test runner.
        arguments: Vec<String>,
    },
    /// What must hold before a change goes in.
    Ci,
    /// One bench.
    Bench {
        /// The bench's name, as in `runtime/benches`.
        name: String,
        /// For the bench itself.
        arguments: Vec<String>,
    },
    /// A server at work for long.
    Soak {
        /// How many minutes; an hour if nobody says.
        minutes: Option<String>,
        /// With the server that tests use.
        debug: bool,
    },
    /// A server that is killed again and again.
    Chaos {
        /// For the program.
        arguments: Vec<String>,
        /// With the server that tests use.
        debug: bool,
    },
    /// The ONNX backend cases.
    Conformance {
        /// For the runner.
        arguments: Vec<String>,
    },
}

impl Command {
    /// Understands the arguments after the program's name, or says what is wrong with them.
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut rest = arguments.into_iter();
        let Some(name) = rest.next() else {
            return Err("which command?".to_owned());
        };
        let arguments: Vec<String> = rest.collect();
        match name.as_str() {
            "help" | "-h" | "--help" => Ok(Self::Help),
            "setup" => setup(&arguments),
            "demo" => flag("demo", "--keep", &arguments).map(|keep| Self::Demo { keep }),
            "test" => Ok(Self::Test { arguments }),
            "ci" => none(&arguments).map(|()| Self::Ci),
            "bench" => match arguments.split_first() {
                Some((name, rest)) if !name.starts_with('-') => {
                    Ok(Self::Bench { name: name.clone(), arguments: rest.to_vec() })
                }
                _ => Err("bench wants a name, as in `cargo xtask bench hot`".to_owned()),
            },
            "soak" => soak(&arguments),
            "chaos" => Ok(chaos(arguments)),
            "conformance" => Ok(Self::Conformance { arguments }),
            other => Err(format!("there is no command `{other}`")),
        }
    }
}

fn setup(arguments: &[String]) -> Result<Command, String> {
    let (mut benches, mut gpu) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--bench" => benches = true,
            "--gpu" => gpu = true,
            other => return Err(format!("setup takes only --bench and --gpu, not `{other}`")),
        }
    }
    Ok(Command::Setup { benches, gpu })
}

fn soak(arguments: &[String]) -> Result<Command, String> {
    let (mut minutes, mut debug) = (None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--debug" => debug = true,
            "--minutes" => minutes = Some(rest.next().ok_or("--minutes wants a number")?.clone()),
            other => return Err(format!("soak takes only --minutes N and --debug, not `{other}`")),
        }
    }
    Ok(Command::Soak { minutes, debug })
}

/// Which numbers there are is for the program to say.
fn chaos(mut arguments: Vec<String>) -> Command {
    let given = arguments.len();
    arguments.retain(|argument| argument != "--debug");
    Command::Chaos { debug: arguments.len() < given, arguments }
}

/// Whether the one flag that the command takes is there.
fn flag(command: &str, flag: &str, arguments: &[String]) -> Result<bool, String> {
    match arguments {
        [] => Ok(false),
        [given] if given == flag => Ok(true),
        _ => Err(format!("{command} takes only {flag}, not `{}`", arguments.join(" "))),
    }
}

fn none(arguments: &[String]) -> Result<(), String> {
    if arguments.is_empty() { Ok(()) } else { Err(format!("unexpected `{}`", arguments.join(" "))) }
}

#[cfg(test)]
mod tests {
    use super::Command;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn every_command_of_the_usage_is_understood() {
        let listed =
            super::USAGE.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
        let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["setup", "demo", "test", "ci", "bench", "conformance", "soak", "chaos"]);
        for name in names {
            let line = if name == "bench" { "bench hot" } else { name };
            assert!(parse(line).is_ok(), "{name}");
        }
    }

    #[test]
    fn arguments_reach_the_test_runner_untouched() {
        let Ok(Command::Test { arguments }) = parse("test -p modelet-spec --no-capture") else { panic!("not a test") };
        assert_eq!(arguments, ["-p", "modelet-spec", "--no-capture"]);
    }

    #[test]
    fn wrong_usage_names_what_is_wrong() {
        assert_eq!(parse(""), Err("which command?".to_owned()));
        assert_eq!(parse("bake"), Err("there is no command `bake`".to_owned()));
        assert_eq!(parse("setup now"), Err("setup takes only --bench and --gpu, not `now`".to_owned()));
        assert_eq!(parse("setup --bench"), Ok(Command::Setup { benches: true, gpu: false }));
        assert_eq!(parse("setup --gpu"), Ok(Command::Setup { benches: false, gpu: true }));
        assert_eq!(parse("ci now"), Err("unexpected `now`".to_owned()));
        assert!(parse("demo --forever").is_err());
        let minutes = Some("5".to_owned());
        assert_eq!(parse("soak --minutes 5 --debug"), Ok(Command::Soak { minutes, debug: true }));
        assert!(parse("soak --minutes").is_err());
        let arguments = vec!["--cycles".to_owned(), "9".to_owned()];
        assert_eq!(parse("chaos --cycles --debug 9"), Ok(Command::Chaos { arguments, debug: true }));
        assert!(parse("soak 5").is_err());
        assert!(parse("bench").is_err());
        assert!(parse("bench --help").is_err());
    }
}
