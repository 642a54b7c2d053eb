//! Which devices models could run on: each is tried, not asked for.

use modelet_inference::{Runtime, fix};
use modelet_spec::{Device, DeviceWish};

use super::{Finding, State};

/// What is tried where the configuration names none.
const USUAL: [Device; 2] = [Device::Cuda(0), Device::TensorRt(0)];

/// The providers that the library has, and every device that is configured or usual.
pub(super) fn findings(configured: &[DeviceWish], runtime: Option<&Runtime>) -> Vec<Finding> {
    let Some(runtime) = runtime else {
        let lost = |wish: &DeviceWish| device(wish.device, Some(*wish), Err("there is no ONNX Runtime".to_owned()));
        return configured.iter().filter(|wish| wish.is_demanded && !wish.device.is_cpu()).map(lost).collect();
    };
    let usual = USUAL.iter().filter(|device| configured.iter().all(|wish| wish.device != **device));
    let tried = configured.iter().map(|wish| (wish.device, Some(*wish))).chain(usual.map(|device| (*device, None)));
    let of_each = tried.map(|(one, wish)| device(one, wish, runtime.try_device(one)));
    std::iter::once(providers(&runtime.built_in_providers())).chain(of_each).collect()
}

fn providers(names: &[String]) -> Finding {
    let short: Vec<&str> = names.iter().map(|name| name.trim_end_matches("ExecutionProvider")).collect();
    let detail = format!("{}; that one is built in does not make it work", short.join(", "));
    Finding { what: "providers".to_owned(), state: State::Ok, detail, fix: None }
}

/// One device, by what came of trying it. Only one that is demanded is missed.
fn device(device: Device, wish: Option<DeviceWish>, tried: Result<(), String>) -> Finding {
    let what = device.to_string();
    match (tried, wish) {
        (Ok(()), Some(_)) => Finding { what, state: State::Ok, detail: "a model ran on it".to_owned(), fix: None },
        (Ok(()), None) => {
            let detail = "a model ran on it; no model of the server will".to_owned();
            Finding { what, state: State::Ok, detail, fix: Some("name it by `devices` in [inference]") }
        }
        (Err(why), wish) => {
            let is_demanded = wish.is_some_and(|wish| wish.is_demanded);
            let state = if is_demanded { State::Missing } else { State::Optional };
            let fix = Some(fix(device, &why));
            let told = if wish.is_some() { "named in [inference] and not really there" } else { "not there" };
            Finding { what, state, detail: format!("{told}: {why}"), fix }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn each_outcome_is_told_with_its_fix() {
        let wish = |text: &str| Some(text.parse().unwrap());
        let not_built = "CUDA execution provider is not enabled in this build".to_owned();
        let no_cuda =
            "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open \
                       shared object file: No such file or directory"
                .to_owned();
        let told = [
            providers(&["CUDAExecutionProvider".to_owned(), "CPUExecutionProvider".to_owned()]),
            device(Device::Cpu, wish("cpu"), Ok(())),
            device(Device::Cuda(0), None, Ok(())),
            device(Device::Cuda(0), None, Err(not_built)),
            device(Device::Cuda(0), wish("cuda:0"), Err(no_cuda.clone())),
            device(Device::Cuda(1), wish("cuda:1!"), Err(no_cuda)),
        ];
        insta::assert_snapshot!(told.iter().map(text).collect::<Vec<_>>().join("\n"), @r"
ok       providers      CUDA, CPU; that one is built in does not make it work
ok       cpu            a model ran on it
ok       cuda:0         a model ran on it; no model of the server will
                        fix: name it by `devices` in [inference]
none     cuda:0         not there: CUDA execution provider is not enabled in this build
                        fix: this ONNX Runtime is built for the CPU alone: run `cargo xtask setup --gpu` and name its folder by `library` in [inference]
none     cuda:0         named in [inference] and not really there: Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory
                        fix: install CUDA 13 and cuDNN 9, where the loader finds them (LD_LIBRARY_PATH)
MISSING  cuda:1         named in [inference] and not really there: Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory
                        fix: install CUDA 13 and cuDNN 9, where the loader finds them (LD_LIBRARY_PATH)
");
    }
}
