//! What a server counts, as it tells Prometheus.

/// One reading, in Prometheus's text format.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of all series of this name that have these labels; 0 where there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or("-");
            let is_it = rest.starts_with(['{', ' ']);
            is_it && labels.iter().all(|(key, value)| rest.contains(&format!("{key}=\"{value}\"")))
        };
        let values = self.0.lines().filter(series).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }
}
