//! Which function answers a request, against a matcher that is too simple to be wrong.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here is a failed test"
)]

#[path = "../../../../tests/fuzz/damaged.rs"]
mod damaged;
#[path = "../../../../tests/fuzz/bodies/routes.rs"]
mod routes;

use damaged::damaged;
use modelet_catalog::{Catalog, CatalogBuilder, CatalogError, Claimed, Entry, Lookup, Route};
use modelet_spec::{
    Auth, Claims, Digest, EffectiveLimits, FunctionLimits, ServerLimits, TenantLimits, TenantName, Version,
};
use proptest::prelude::*;
use routes::naive_find;

/// A function called `f` and its number, which is also its handle.
fn entry(number: usize, tenant: &str, routes: Vec<Route>) -> Entry<usize> {
    Entry {
        tenant: tenant.parse().unwrap_or_else(|_| TenantName::default_tenant()),
        function: format!("f{number}").parse().expect("a name"),
        version: Version::FIRST,
        digest: Digest::of(b""),
        limits: EffectiveLimits::of(&ServerLimits::default(), &TenantLimits::default(), &FunctionLimits::default()),
        routes,
        handle: number,
        arms: None,
    }
}

fn route(host: Option<&str>, path: &str, methods: &[&str]) -> Route {
    Route {
        host: host.map(str::to_owned),
        path: path.parse().expect("a pattern"),
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        auth: Auth::Key,
    }
}

/// A catalog of functions with one route each.
fn catalog(routes: &[Route]) -> Catalog<usize> {
    let mut builder = CatalogBuilder::new();
    for (number, route) in routes.iter().enumerate() {
        builder.add(entry(number, "default", vec![route.clone()])).expect("no conflict");
    }
    builder.build()
}

fn found(catalog: &Catalog<usize>, host: Option<&str>, path: &str, method: &str) -> Option<usize> {
    match catalog.find(host, path, method) {
        Lookup::Found { entry, .. } => Some(entry.handle),
        Lookup::MethodNotAllowed { .. } | Lookup::NotFound => None,
    }
}

#[test]
fn an_empty_catalog_finds_nothing() {
    assert!(matches!(Catalog::<()>::empty().find(None, "/", "GET"), Lookup::NotFound));
}

#[test]
fn exact_goes_before_param_before_rest_and_dead_ends_are_left() {
    let routes = ["/x/a", "/x/{p}", "/x/{*r}", "/{q}/b/c", "/x/b/d", "/", "/x/a/"];
    let routes: Vec<Route> = routes.iter().map(|path| route(None, path, &[])).collect();
    let catalog = catalog(&routes);
    let cases = [
        ("/x/a", Some(0)),
        ("/x/z", Some(1)),
        ("/x/z/y", Some(2)),
        ("/x/b/c", Some(2)),
        ("/x/", Some(2)),
        ("/x", None),
        ("/w/b/c", Some(3)),
        ("/x/b/d", Some(4)),
        ("/", Some(5)),
        ("/x/a/", Some(6)),
        ("/x/%61", Some(1)),
        ("", None),
        ("*", None),
        ("x/a", None),
    ];
    for (path, number) in cases {
        assert_eq!(found(&catalog, None, path, "GET"), number, "{path}");
    }
}

#[test]
fn a_host_goes_before_any_host() {
    let catalog = catalog(&[route(None, "/x", &[]), route(Some("a.example"), "/{p}", &[])]);
    assert_eq!(found(&catalog, Some("A.example:80"), "/x", "GET"), Some(1));
    assert_eq!(found(&catalog, Some("b.example"), "/x", "GET"), Some(0));
    assert_eq!(found(&catalog, Some("a.example"), "/x/y", "GET"), None);
    assert_eq!(found(&catalog, None, "/x", "GET"), Some(0));
}

#[test]
fn the_path_decides_before_the_method() {
    let catalog =
        catalog(&[route(None, "/x", &["GET", "PUT"]), route(None, "/x", &["POST"]), route(None, "/{p}", &[])]);
    assert_eq!(found(&catalog, None, "/x", "POST"), Some(1));
    assert_eq!(found(&catalog, None, "/x", "HEAD"), Some(0));
    let Lookup::MethodNotAllowed { allow } = catalog.find(None, "/x", "DELETE") else {
        panic!("expected MethodNotAllowed");
    };
    assert_eq!(allow, ["GET", "HEAD", "POST", "PUT"]);
    assert_eq!(found(&catalog, None, "/y", "DELETE"), Some(2));
}

#[test]
fn reserved_paths_are_neither_claimed_nor_caught() {
    let mut builder = CatalogBuilder::new();
    for path in ["/v1/models", "/v1/models/x", "/v2", "/v2/{*r}", "/openai/v1/embeddings"] {
        let refused = builder.add(entry(0, "default", vec![route(None, path, &[])]));
        assert!(matches!(refused, Err(CatalogError::Reserved { .. })), "{path}");
    }
    builder.add(entry(1, "default", vec![route(None, "/{*all}", &[])])).unwrap();
    let catalog = builder.build();
    assert_eq!(found(&catalog, None, "/v2/models/m/infer", "POST"), None);
    assert_eq!(found(&catalog, None, "/v2x", "POST"), Some(1));
    assert_eq!(found(&catalog, None, "/v1/modelsx", "POST"), Some(1));
}

#[test]
fn a_conflict_adds_nothing_and_names_no_other_tenant() {
    // Nobody gives the same to two; that two meet all the same must not tell one of the other.
    let claimed = Claimed::of([given("acme", &[], &["/x", "/y"]), given("evil", &[], &["/x", "/free"])]);
    let mut builder = CatalogBuilder::new().claimed(claimed.into());
    builder.add(entry(0, "acme", vec![route(None, "/x/{a}", &["GET"])])).unwrap();
    let routes = vec![route(None, "/free", &[]), route(None, "/x/{b}", &[])];
    let error = builder.add(entry(1, "evil", routes.clone())).unwrap_err().to_string();
    assert!(error.contains("/x/{b} is taken by another function"), "{error}");
    let routes = vec![route(None, "/y/free", &[]), route(None, "/x/{b}", &[])];
    let error = builder.add(entry(1, "acme", routes)).unwrap_err().to_string();
    assert!(error.contains("taken by the function f0"), "{error}");
    builder.add(entry(2, "acme", vec![route(None, "/x/{c}", &["POST"])])).unwrap();
    let twice = vec![route(None, "/y", &["GET"]), route(None, "/y", &[])];
    let error = builder.add(entry(3, "acme", twice)).unwrap_err().to_string();
    assert!(error.contains("same function"), "{error}");
    let catalog = builder.build();
    assert_eq!(catalog.functions().count(), 2);
    assert_eq!(found(&catalog, None, "/free", "GET"), None);
    assert_eq!(found(&catalog, None, "/y", "GET"), None);
    assert_eq!(found(&catalog, None, "/x/1", "POST"), None, "given to two, it is answered by none");
}

#[test]
fn a_function_takes_the_place_of_the_one_with_its_name_or_leaves_it() {
    let mut builder = CatalogBuilder::new();
    builder.add(entry(0, "default", vec![route(None, "/a", &[]), route(Some("h"), "/b", &[])])).unwrap();
    builder.add(entry(1, "default", vec![route(None, "/taken", &[])])).unwrap();
    let one = builder.build();
    let mut builder = CatalogBuilder::of(&one);
    let moved =
        Entry { handle: 7, ..entry(0, "default", vec![route(None, "/c/{*all}", &[]), route(None, "/taken", &[])]) };
    builder.add(moved).unwrap_err();
    builder.add(Entry { handle: 8, ..entry(0, "default", vec![route(None, "/a/{x}/y", &[])]) }).unwrap();
    builder.remove(&TenantName::default_tenant(), &"f1".parse().unwrap());
    builder.remove(&TenantName::default_tenant(), &"nobody".parse().unwrap());
    let other = builder.build();
    for (catalog, expected) in [(&one, [Some(0), Some(0), None, Some(1)]), (&other, [None, None, Some(8), None])] {
        let paths = [(None, "/a"), (Some("h"), "/b"), (None, "/a/1/y"), (None, "/taken")];
        assert_eq!(paths.map(|(host, path)| found(catalog, host, path, "GET")), expected);
        assert_eq!(found(catalog, None, "/c/d", "GET"), None);
    }
    let default = TenantName::default_tenant();
    assert_eq!((one.functions_of(&default).count(), other.functions().count()), (2, 1));
    assert_eq!(other.function(&default, &"f0".parse().unwrap()).unwrap().handle, 8);
    assert!(other.function(&default, &"f1".parse().unwrap()).is_none());
}

fn given(tenant: &str, hosts: &[&str], paths: &[&str]) -> (TenantName, Claims) {
    let hosts = hosts.iter().map(|host| host.parse().expect("a host")).collect();
    let paths = paths.iter().map(|path| path.parse().expect("a prefix")).collect();
    (tenant.parse().expect("a name"), Claims { hosts, paths })
}

#[test]
fn a_tenant_has_routes_only_where_the_operator_gave_it_something() {
    let claimed =
        Claimed::of([given("acme", &["acme.example"], &["/acme"]), given("beta", &["beta.example"], &["/b"])]);
    let builder = CatalogBuilder::<usize>::new().claimed(claimed.into());
    let check = |tenant: &str, host: Option<&str>, path: &str| {
        builder.check(&tenant.parse().unwrap(), &route(host, path, &[])).map_err(|error| error.to_string())
    };
    for (host, path) in
        [(Some("acme.example"), "/"), (Some("acme.example"), "/{*all}"), (None, "/acme/{x}"), (None, "/acme")]
    {
        check("acme", host, path).unwrap();
    }
    let acme = "it may claim the hosts acme.example; without a host, /acme and the paths below";
    for (host, path, rule) in [
        (None, "/", "the path / is not one that this tenant was given"),
        (None, "/{*all}", "the path /{*all} is not one"),
        (None, "/acmes", "the path /acmes is not one"),
        (None, "/b/x", "the path /b/x is not one"),
        (Some("beta.example"), "/acme", "the host beta.example is not one that this tenant was given"),
        (Some("other.example"), "/acme", "the host other.example is not one"),
    ] {
        let refused = check("acme", host, path).unwrap_err();
        assert!(refused.starts_with(rule) && refused.contains(acme) && !refused.contains("/b "), "{path}: {refused}");
    }
    let refused = check("new", None, "/new").unwrap_err();
    assert!(refused.contains("it may claim nothing yet"), "{refused}");
    for (host, path) in [(None, "/"), (None, "/{*all}"), (None, "/{x}/acme"), (Some("other.example"), "/acme/x")] {
        check("default", host, path).unwrap();
    }
    for (host, path) in [(Some("acme.example"), "/x"), (None, "/acme"), (None, "/b/{*all}")] {
        let refused = check("default", host, path).unwrap_err();
        assert!(refused.contains("was given to another tenant") && !refused.contains("beta"), "{refused}");
    }
}

#[test]
fn a_host_that_no_request_has_is_refused() {
    for host in ["", "Example.com", "example.com:80", "example.com."] {
        let refused = CatalogBuilder::new().add(entry(0, "default", vec![route(Some(host), "/x", &[])]));
        assert!(matches!(refused, Err(CatalogError::BadHost { .. })), "{host}");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => Just("a".to_owned()), 2 => Just("b".to_owned()), 3 => Just("{}".to_owned())];
    (proptest::collection::vec(segment, 0..4), prop_oneof![2 => Just(""), 1 => Just("/"), 1 => Just("/{*rest}")])
        .prop_map(|(segments, end)| {
            let named =
                segments.iter().enumerate().map(|(at, text)| format!("/{}", text.replace("{}", &format!("{{p{at}}}"))));
            let text = named.collect::<String>() + end;
            if text.is_empty() { "/".to_owned() } else { text }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_tree_finds_what_the_naive_matcher_finds(
        patterns in proptest::collection::vec((pattern(), proptest::option::of(Just("h"))), 0..12),
        paths in proptest::collection::vec("(/(a|b|c|)){0,5}", 1..12),
        host in proptest::option::of(prop_oneof![Just("h"), Just("other")]),
    ) {
        let mut builder = CatalogBuilder::new();
        let mut routes = Vec::new();
        for (pattern, host) in patterns {
            let route = route(host, &pattern, &[]);
            // Where two have the same shape, the first holds the place.
            if builder.add(entry(routes.len(), "default", vec![route.clone()])).is_ok() {
                routes.push(route);
            }
        }
        let catalog = builder.build();
        for path in paths {
            prop_assert_eq!(found(&catalog, host, &path, "GET"), naive_find(&routes, host, &path), "{}", path);
        }
    }

    #[test]
    fn a_catalog_that_was_changed_is_the_one_that_was_made_anew_and_the_one_before_stays(
        changes in proptest::collection::vec(
            (0_usize..8, pattern(), proptest::option::of(Just("h")), proptest::bool::weighted(0.3)), 0..40,
        ),
        paths in proptest::collection::vec("(/(a|b|c|)){0,5}", 1..8),
    ) {
        let mut catalogs = vec![(Catalog::empty(), Vec::new())];
        for (number, pattern, host, goes) in changes {
            let (last, mut routes) = catalogs.last().map(|(last, routes): &(Catalog<usize>, Vec<(usize, Route)>)| (last, routes.clone())).unwrap();
            let mut builder = CatalogBuilder::of(last);
            let route = route(host, &pattern, &[]);
            if goes {
                builder.remove(&TenantName::default_tenant(), &format!("f{number}").parse().unwrap());
                routes.retain(|(other, _)| *other != number);
            } else if builder.add(entry(number, "default", vec![route.clone()])).is_ok() {
                routes.retain(|(other, _)| *other != number);
                routes.push((number, route));
            }
            catalogs.push((builder.build(), routes));
        }
        for (catalog, routes) in &catalogs {
            let mut anew = CatalogBuilder::new();
            for (number, route) in routes {
                anew.add(entry(*number, "default", vec![route.clone()])).expect("they stood side by side");
            }
            let anew = anew.build();
            for (host, path) in paths.iter().flat_map(|path| [None, Some("h")].map(|host| (host, path))) {
                prop_assert_eq!(found(catalog, host, path, "GET"), found(&anew, host, path, "GET"));
            }
            prop_assert_eq!(catalog.functions().count(), routes.len());
        }
    }

    /// The fuzzer's target, on its damaged seeds: see `tests/fuzz/README.md`.
    #[test]
    fn damaged_routes_are_found_as_the_naive_matcher_finds_them(bytes in damaged("routes")) {
        routes::check(&bytes);
    }

    #[test]
    fn what_was_given_to_one_tenant_is_answered_by_no_other(
        routes in proptest::collection::vec((0_usize..3, pattern(), proptest::option::of(prop_oneof![Just("h"), Just("i")])), 0..16),
        paths in proptest::collection::vec("(/(a|b|c|)){0,5}", 1..12),
        host in proptest::option::of(prop_oneof![Just("h"), Just("i"), Just("other")]),
    ) {
        let tenants = ["default", "acme", "beta"];
        let claimed = Claimed::of([given("acme", &["h"], &["/a/b"]), given("beta", &[], &["/b"])]);
        let mut builder = CatalogBuilder::new().claimed(claimed.into());
        let mut owners = Vec::new();
        for (tenant, pattern, host) in routes {
            if builder.add(entry(owners.len(), tenants[tenant], vec![route(host, &pattern, &[])])).is_ok() {
                owners.push((tenants[tenant], host));
            }
        }
        let catalog = builder.build();
        for path in paths {
            let Some((owner, at)) = found(&catalog, host, &path, "GET").map(|number| owners[number]) else { continue };
            let below = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
            let meant = match (host, at) {
                (Some("h"), _) => "acme",
                (_, Some(_)) => "default",
                _ if below("/a/b") => "acme",
                _ if below("/b") => "beta",
                _ => "default",
            };
            prop_assert_eq!(owner, meant, "{:?} {}", host, path);
        }
    }

    #[test]
    fn any_text_can_be_looked_up(host in "\\PC{0,20}", path in "\\PC{0,40}", method in "\\PC{0,8}") {
        let catalog = catalog(&[route(None, "/{*all}", &["GET"]), route(Some("h"), "/{a}/b", &[])]);
        let _ = catalog.find(Some(&host), &path, &method);
    }
}
