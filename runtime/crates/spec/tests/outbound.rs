//! Rules and addresses of any form: nothing panics, and what is allowed is allowed for a reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use modelet_spec::outbound::{AddressKind, OutboundRule, OutboundRules, OutboundScheme};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

proptest! {
    #[test]
    fn any_text_is_a_rule_or_a_refusal(text in "(https?://)?[*.a-f0-9x:/\\[\\]@-]{0,24}") {
        match text.parse::<OutboundRule>() {
            Ok(rule) => prop_assert_eq!(rule.to_string().parse::<OutboundRule>(), Ok(rule)),
            Err(error) => prop_assert!(error.to_string().contains("is not an origin")),
        }
    }

    #[test]
    fn without_a_rule_for_addresses_no_name_leads_to_one_that_is_not_public(bits: u32, high: u64, low: u64) {
        let rules = OutboundRules::new(["http://a.example".parse().unwrap(), "http://*.a.example".parse().unwrap()].into());
        let v6 = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        for address in [IpAddr::V4(Ipv4Addr::from_bits(bits)), IpAddr::V6(v6)] {
            let allowed = rules.allow_address(OutboundScheme::Http, address, 80).is_ok();
            prop_assert_eq!(allowed, AddressKind::of(address) == AddressKind::Public);
        }
    }

    #[test]
    fn an_ipv4_address_is_of_one_kind_in_all_its_forms(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let kind = AddressKind::of(IpAddr::V4(v4));
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        prop_assert_eq!(AddressKind::of(v4.to_ipv6_mapped().into()), kind);
        prop_assert_eq!(AddressKind::of(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), kind);
        prop_assert_eq!(AddressKind::of(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0).into()), kind);
    }

    #[test]
    fn an_address_that_is_named_alone_is_allowed_and_its_neighbour_is_not_by_that(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let rules = OutboundRules::new(vec![format!("http://{address}").parse().unwrap()]);
        prop_assert!(rules.allow_host(OutboundScheme::Http, &address.to_string(), 80));
        prop_assert!(rules.allow_address(OutboundScheme::Http, address.into(), 80).is_ok());
        let neighbour = Ipv4Addr::from_bits(bits ^ 1);
        prop_assert!(!rules.allow_host(OutboundScheme::Http, &neighbour.to_string(), 80));
    }
}
