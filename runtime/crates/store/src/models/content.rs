//! What a model's content is called.

use super::{FileEntry, FileRole};
use modelet_spec::Digest;

/// The digest of a model's content: that of its one file, or of a list of its files. Samples do not belong to it, nor
/// does the name of the ONNX file: nothing refers to it.
#[must_use]
pub fn content_digest(files: &[FileEntry]) -> Digest {
    let mut content: Vec<&FileEntry> = files.iter().filter(|file| file.role != FileRole::Sample).collect();
    if let [only] = content.as_slice() {
        return only.digest;
    }
    content.sort();
    let mut hasher = Digest::hasher();
    hasher.update(b"modelet model 1\n");
    for file in content {
        // No path has a line's end in it.
        let line = match file.role {
            FileRole::Model => format!("{}\n", file.digest),
            FileRole::Data | FileRole::Sample => format!("{} {}\n", file.digest, file.path),
        };
        hasher.update(line.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, role: FileRole, content: &[u8]) -> FileEntry {
        let path = path.parse().unwrap();
        FileEntry { path, role, digest: Digest::of(content), bytes: content.len() as u64 }
    }

    #[test]
    fn one_file_is_its_own_content_whatever_it_is_called_and_tried_with() {
        let model = file("a.onnx", FileRole::Model, b"m");
        let sample = file("samples/1.json", FileRole::Sample, b"{}");
        assert_eq!(content_digest(std::slice::from_ref(&model)), Digest::of(b"m"));
        assert_eq!(content_digest(&[sample, model]), Digest::of(b"m"));
    }

    #[test]
    fn a_folder_is_told_by_its_files_and_their_places_not_by_their_order() {
        let model = |name: &str| file(name, FileRole::Model, b"m");
        let (a, b) = (file("a", FileRole::Data, b"1"), file("b", FileRole::Data, b"2"));
        let folder = content_digest(&[model("x.onnx"), a.clone(), b.clone()]);
        assert_eq!(content_digest(&[b.clone(), model("z.onnx"), a.clone()]), folder);
        let swapped = [model("x.onnx"), file("b", FileRole::Data, b"1"), file("a", FileRole::Data, b"2")];
        assert_ne!(content_digest(&swapped), folder);
        assert_ne!(content_digest(&[model("x.onnx"), a]), folder);
    }
}
