//! t
#![allow(clippy::unwrap_used, reason = "x")]
use modelet_catalog::*;
use modelet_spec::*;
#[test]
fn time() {
    let mut b = CatalogBuilder::new();
    for n in 0..10_000usize {
        let p = match n % 3 { 0 => format!("/a{n}/x"), 1 => format!("/svc/v{n}/{{id}}/y"), _ => format!("/t{}/f{n}/{{*r}}", n % 97) };
        b.add(Entry { tenant: TenantName::default_tenant(), function: format!("f{n}").parse().unwrap(), version: Version::FIRST, digest: Digest::of(b""),
            limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
            routes: vec![Route { host: None, path: p.parse().unwrap(), methods: vec!["POST".into()], auth: Auth::None }], handle: n }).unwrap();
    }
    let c = b.build();
    let paths = ["/a3000/x", "/svc/v4000/77/y", "/t5/f5/q/w/e", "/nope/at/all"];
    for p in paths {
        let t = std::time::Instant::now();
        for _ in 0..100_000 { std::hint::black_box(c.find(Some("localhost:8080"), std::hint::black_box(p), "POST")); }
        println!("{p}: {} ns ({:?})", t.elapsed().as_nanos() / 100_000, matches!(c.find(None, p, "POST"), Lookup::Found { .. }));
    }
}
