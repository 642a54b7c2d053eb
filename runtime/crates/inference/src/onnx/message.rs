//! ONNX Runtime's messages made fit for a client: what failed, without where in whose source or on whose disk.

/// Longer messages repeat themselves.
const CHARS_MAX: usize = 800;

/// The words that ONNX Runtime uses where memory, or the arithmetic of sizes, ran out.
const MEMORY: [&str; 8] = [
    "smaller than requested bytes",
    "Failed to allocate memory",
    "bad_alloc",
    "bad allocation",
    "Integer overflow",
    "storage size overflowed",
    "exceeds the maximum",
    "out of memory",
];

/// The message without paths, at most 800 characters of it.
pub(crate) fn public(message: &str) -> String {
    let kept: Vec<&str> = message.split_whitespace().filter(|word| !is_path(word)).collect();
    kept.join(" ").chars().take(CHARS_MAX).collect()
}

/// Whether the message means that there was not enough memory, or that a size could not even be computed.
pub(crate) fn is_memory(message: &str) -> bool {
    MEMORY.iter().any(|words| message.contains(words))
}

/// Node names have slashes too (`/encoder/MatMul`), so a path is what also looks like a source file, a library, or
/// something in a system folder.
fn is_path(word: &str) -> bool {
    const FILES: [&str; 6] = [".cc", ".cpp", ".h:", ".hpp", ".so", ".onnx"];
    const FOLDERS: [&str; 7] = ["/home/", "/root/", "/tmp/", "/usr/", "/var/", "/proc/", "/onnxruntime"];
    word.contains('/')
        && (FILES.iter().any(|part| word.contains(part)) || FOLDERS.iter().any(|part| word.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_paths_go_and_node_names_stay() {
        let raw = "Non-zero status code returned while running Add node. Name:'/encoder/Add' Status Message: \
                   /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* AllocateRawInternal(size_t) \
                   Available memory of 5 is smaller than requested bytes of 9";
        let public = public(raw);
        assert!(public.contains("Name:'/encoder/Add'"), "{public}");
        assert!(!public.contains("onnxruntime_src"), "{public}");
        assert!(is_memory(&public));
        assert!(!is_memory("Non-zero status code returned while running Add node"));
    }

    #[test]
    fn long_messages_are_cut() {
        assert_eq!(public(&"word ".repeat(1000)).chars().count(), CHARS_MAX);
        assert_eq!(public("Load model from /home/user/x failed: /tmp/model.onnx"), "Load model from failed:");
    }
}
