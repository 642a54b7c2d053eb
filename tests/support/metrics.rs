//! The server's metrics, read as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};

/// One sample: its labels and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All samples of one reading.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// In the server's order.
    pub samples: Vec<Sample>,
    /// The text they were read from.
    pub text: String,
}

impl Metrics {
    /// Reads the text format; every line must be one that Prometheus reads.
    ///
    /// # Panics
    /// When a line is not.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"))).collect();
        Self { samples, text: text.to_owned() }
    }

    /// The sum of all samples of this name that have these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// The lines of one name, for a failure's message.
    #[must_use]
    pub fn lines(&self, name: &str) -> String {
        self.text.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n")
    }

    /// All names, for a failure's message.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|sample| sample.name.as_str()).collect()
    }

    /// Whether there is any sample of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    // No label of this server has a quote, a comma or a brace in its value: they come from deployed names.
    let labels = rest.strip_suffix('}')?.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (key, value) = label.split_once('=')?;
        Some((key.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect::<Option<_>>()?, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_and_without_labels() {
        let metrics = Metrics::parse(
            "# TYPE a counter\na_total{x=\"1\",y=\"b\"} 2\na_total{x=\"2\",y=\"b\"} 3.5\nplain 7\n# EOF\n",
        );
        assert_eq!(metrics.sum("a_total", &[("y", "b")]), 5.5);
        assert_eq!(metrics.sum("a_total", &[("x", "2")]), 3.5);
        assert_eq!(metrics.sum("plain", &[]), 7.0);
        assert!(!metrics.has("b"));
    }
}
