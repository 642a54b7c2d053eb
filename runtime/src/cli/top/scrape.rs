//! One reading of the server's metrics.

use std::collections::BTreeMap;
use std::time::Instant;

/// All series with their values, and when they were read.
#[derive(Debug, Clone)]
pub(crate) struct Scrape {
    at: Instant,
    /// By the series as it is written: its name, and its labels in braces.
    values: BTreeMap<String, f64>,
}

/// A series: its labels, its value, and its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    key: &'a str,
    labels: &'a str,
    /// What it is now.
    pub(crate) value: f64,
}

impl Scrape {
    /// Reads Prometheus's text format. What is no sample is left out.
    pub(crate) fn parse(text: &str, at: Instant) -> Self {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { at, values: lines.filter_map(sample).collect() }
    }

    /// All series of a metric.
    pub(crate) fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Series<'a>> {
        let from = self.values.range(name.to_owned()..).take_while(move |(key, _)| key.starts_with(name));
        from.filter_map(move |(key, value)| {
            let labels = key.strip_prefix(name)?;
            let labels = if labels.is_empty() { labels } else { labels.strip_prefix('{')?.strip_suffix('}')? };
            Some(Series { key, labels, value: *value })
        })
    }

    /// The sum of all series of a metric; `None`: there is none.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        self.each(name).map(|series| series.value).reduce(|sum, value| sum + value)
    }

    /// The value of a metric's series with this label; 0 if there is none.
    pub(crate) fn labelled(&self, name: &str, (key, value): (&str, &str)) -> f64 {
        self.each(name).filter(|series| series.label(key) == Some(value)).fold(0.0, |sum, series| sum + series.value)
    }

    /// What a counter has counted since `before`. A counter that begins again, as after a restart, has counted what it says.
    pub(crate) fn gained(&self, before: &Self, series: &Series<'_>) -> f64 {
        let earlier = before.values.get(series.key).copied().unwrap_or(0.0);
        if series.value < earlier { series.value } else { series.value - earlier }
    }

    /// Seconds since `before`, more than none.
    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        self.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3)
    }
}

impl<'a> Series<'a> {
    /// The value of a label. No value of this server has a quote or a comma in it: they are deployed names and its own words.
    pub(crate) fn label(&self, name: &str) -> Option<&'a str> {
        let mut labels = self.labels.split(',').filter_map(|label| label.split_once('='));
        let (_, value) = labels.find(|(key, _)| *key == name)?;
        value.strip_prefix('"')?.strip_suffix('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn series_are_found_by_their_whole_name() {
        let text = "# TYPE a counter\na_total{x=\"1\",y=\"b\"} 2\na_total{x=\"2\",y=\"b\"} 3.5\na 7\nbroken\n# EOF\n";
        let scrape = Scrape::parse(text, Instant::now());
        assert_eq!(scrape.sum("a_total"), Some(5.5));
        assert_eq!(scrape.sum("a"), Some(7.0));
        assert_eq!(scrape.sum("a_"), None);
        assert_eq!(scrape.labelled("a_total", ("x", "2")), 3.5);
        let first = scrape.each("a_total").next().unwrap();
        assert_eq!((first.label("x"), first.label("y"), first.label("z")), (Some("1"), Some("b"), None));
    }

    #[test]
    fn what_was_gained_is_never_negative() {
        let now = Instant::now();
        let before = Scrape::parse("a 5\nb 5\n", now);
        let after = Scrape::parse("a 7\nb 2\nc 1\n", now + Duration::from_secs(2));
        let gained = |name| after.gained(&before, &after.each(name).next().unwrap());
        assert_eq!((gained("a"), gained("b"), gained("c")), (2.0, 2.0, 1.0));
        assert_eq!(after.seconds_since(&before), 2.0);
    }
}
