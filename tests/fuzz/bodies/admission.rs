//! Any bytes as an ONNX file: a verdict and never a panic; a refusal says where and why, and what was learned of an admitted file
//! survives being written down, as a trial's facts are.

use modelet_inference::admission::{Admission, AdmissionLimits, ExternalData, admit};

pub(crate) fn check(data: &[u8]) {
    let verdict = |external_data| admit(data, &AdmissionLimits { external_data, ..AdmissionLimits::default() });
    let (alone, in_folder) = (verdict(ExternalData::Refused), verdict(ExternalData::Contained));
    for verdict in [&alone, &in_folder] {
        match verdict {
            Ok(admission) => {
                let json = serde_json::to_string(admission).expect("it can be written down");
                assert_eq!(serde_json::from_str::<Admission>(&json).expect("and read"), *admission);
            }
            Err(refused) => {
                assert!(!refused.message.is_empty());
                assert!(refused.to_string().len() < 8 << 10, "a refusal of {} bytes", refused.to_string().len());
            }
        }
    }
    // A folder allows more and changes nothing else.
    if let Ok(alone) = alone {
        assert_eq!(in_folder.as_ref().ok(), Some(&alone));
    }
}
