//! The table of content types, made from magika's own by `make_tables.py`.

const TABLE: &str = include_str!("labels.tsv");

/// A kind of content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) mime: &'static str,
    pub(crate) group: &'static str,
    pub(crate) description: &'static str,
    pub(crate) is_text: bool,
    /// The score from which the model is believed when it says this.
    pub(crate) threshold: f64,
    /// The name that is answered instead; mostly its own.
    pub(crate) answered_as: &'static str,
}

impl Label {
    /// What the model's output at `index` stands for.
    pub(crate) fn at(index: usize) -> Option<Self> {
        Self::parse(TABLE.lines().nth(index)?)
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let line = TABLE.lines().find(|line| line.split('\t').next() == Some(name))?;
        Self::parse(line)
    }

    fn parse(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        Some(Self {
            name: columns.next()?,
            mime: columns.next()?,
            group: columns.next()?,
            description: columns.next()?,
            is_text: columns.next()? == "text",
            threshold: columns.next()?.parse().ok()?,
            answered_as: columns.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_label_whose_answer_exists() {
        for (index, line) in TABLE.lines().enumerate() {
            let label = Label::at(index).unwrap_or_else(|| panic!("{line}"));
            assert!(Label::named(label.answered_as).is_some(), "{line}");
            assert_eq!(Label::named(label.name).unwrap().mime, label.mime);
        }
        assert!(TABLE.lines().count() > 200);
    }
}
