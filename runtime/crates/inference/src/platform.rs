//! What an optimised form depends on: it is right for one build of ONNX Runtime and one kind of processor only.

use modelet_spec::Digest;

/// Changed when this crate makes optimised forms in another way.
const FORM: u32 = 1;

/// What the forms that are made here depend on: this crate's own way of making them, ONNX Runtime's build, the processor,
/// the device, and the inference memory (which bounds what is folded). Two equal texts: a form made there serves here.
pub(crate) fn form_key(build: &str, device: &str, arena_max: u64) -> String {
    let build: String = Digest::of(build.as_bytes()).hex().chars().take(16).collect();
    format!("form {FORM}, onnxruntime {build}, {}, {device}, memory {arena_max}", processor())
}

/// The processor's kind, with the features that ONNX Runtime's kernels and layouts are chosen by.
#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let features = [
        ("sse4.1", is_x86_feature_detected!("sse4.1")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512dq", is_x86_feature_detected!("avx512dq")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ("avxvnni", is_x86_feature_detected!("avxvnni")),
    ];
    named("x86_64", &features)
}

/// The processor's kind, with the features that ONNX Runtime's kernels and layouts are chosen by.
#[cfg(target_arch = "aarch64")]
fn processor() -> String {
    use std::arch::is_aarch64_feature_detected;
    let features = [
        ("fp16", is_aarch64_feature_detected!("fp16")),
        ("dotprod", is_aarch64_feature_detected!("dotprod")),
        ("i8mm", is_aarch64_feature_detected!("i8mm")),
        ("bf16", is_aarch64_feature_detected!("bf16")),
        ("sve", is_aarch64_feature_detected!("sve")),
    ];
    named("aarch64", &features)
}

/// The processor's kind alone: forms are made again when the data directory moves to another machine of it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor() -> String {
    named(std::env::consts::ARCH, &[])
}

fn named(kind: &str, features: &[(&str, bool)]) -> String {
    let there = features.iter().filter(|(_, there)| *there).map(|(name, _)| format!("+{name}"));
    std::iter::once(kind.to_owned()).chain(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_device_or_memory_is_another_key() {
        let key = form_key("a", "cpu", 1);
        assert_eq!(key, form_key("a", "cpu", 1));
        for other in [form_key("b", "cpu", 1), form_key("a", "cuda:0", 1), form_key("a", "cpu", 2)] {
            assert_ne!(key, other);
        }
        assert_eq!(named("x", &[("a", true), ("b", false), ("c", true)]), "x+a+c");
    }
}
