//! Any text as a `card.toml`: a card that survives the way to the server, or a report that names the file.

use modelet_spec::ModelCard;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ModelCard::parse(text, "card.toml") {
        Ok(card) => {
            let json = serde_json::to_string(&card).expect("it can be sent");
            assert_eq!(serde_json::from_str::<ModelCard>(&json).expect("and read"), card);
        }
        Err(error) => {
            assert!(!error.faults.is_empty());
            let report = error.to_string();
            assert!(report.lines().all(|line| !line.is_empty()) && report.contains("card.toml"), "{report}");
        }
    }
}
