//! `[[auth.jwt]]`: whose tokens are taken in the place of keys. In the file alone: a list has no place in a variable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use modelet_control::{JwksFrom, JwtIssuer, ScopeRule, TenantRule, check_jwks};
use modelet_spec::TenantName;
use modelet_spec::document::{Document, Faults, Section, Value};

use super::fault::{Fault, Origin};

/// The section of the file.
pub(super) const SECTION: &str = "auth";
/// Each request with a token looks at all of them.
const ISSUERS_MAX: usize = 16;

/// Reads the issuers of a configuration file. Its other sections, and what is no TOML, are for others to tell.
pub(super) fn from_file(path: &Path, text: &str, faults: &mut Vec<Fault>) -> Vec<JwtIssuer> {
    let found = Faults::new(&path.display().to_string(), text);
    let document = Document::parse(text, &found);
    let Some(mut auth) = document.root(&found).section(SECTION) else { return Vec::new() };
    let sections = auth.sections("jwt");
    let at = auth.at();
    auth.finish();
    if sections.len() > ISSUERS_MAX {
        found.add(at, format!("auth.jwt: there are at most {ISSUERS_MAX} issuers"));
    }
    let several = sections.len() > 1;
    let (mut names, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    let mut read = Vec::new();
    for section in sections {
        let at = section.at();
        let Some(issuer) = issuer(section, path) else { continue };
        if several && issuer.name.is_none() {
            found.add_missing(
                at,
                "auth.jwt.name is missing; write name = \"corp\": subjects of several issuers are told apart by it",
            );
        }
        if issuer.name.as_ref().is_some_and(|name| !names.insert(name.clone()))
            || !issuers.insert(issuer.issuer.clone())
        {
            found.add(at, "auth.jwt: another issuer above has this name, or is the same; give each its own");
        }
        read.push(issuer);
    }
    let told = found.into_parts().1.into_iter().filter(|fault| !fault.message.starts_with("not valid TOML"));
    faults.extend(told.map(|fault| Fault { origin: Origin::File(path.to_owned(), fault.line), what: fault.message }));
    read
}

fn issuer(mut section: Section<'_, '_>, path: &Path) -> Option<JwtIssuer> {
    let at = section.at();
    let found = section.faults();
    let name = section.value("name").and_then(|value| word(&value));
    let issuer = section
        .required("issuer", "issuer = \"https://id.example.com/\", as `iss` has it")
        .and_then(|value| some(&value));
    let audience =
        section.required("audience", "audience = \"modelet\", which `aud` must name").and_then(|value| some(&value));
    let jwks = jwks(&mut section, path);
    let fixed: Option<TenantName> = section.text("tenant");
    let claim = section.value("tenant_claim").and_then(|value| some(&value));
    let tenants = section.section("tenants").map(|section| map(section, |value| value.text())).unwrap_or_default();
    let scope_claim = section.value("scope_claim").and_then(|value| some(&value));
    let scope_map = section.section("scope_map").map(|section| map(section, |value| value.text())).unwrap_or_default();
    section.finish();
    let tenant = match (fixed, claim) {
        (Some(tenant), None) if tenants.is_empty() => TenantRule::Fixed(tenant),
        (None, Some(claim)) => TenantRule::Claim { claim, map: tenants },
        (None, None) => {
            found
                .add_missing(at, "auth.jwt: whose tokens are they? Write tenant = \"acme\", or tenant_claim = \"org\"");
            return None;
        }
        _ => {
            found.add(
                at,
                "auth.jwt: write tenant alone, or tenant_claim, perhaps with tenants = { \"value\" = \"tenant\" }",
            );
            return None;
        }
    };
    let scopes = ScopeRule { claim: scope_claim.unwrap_or_else(|| "scope".to_owned()), map: scope_map };
    Some(JwtIssuer { name, issuer: issuer?, audience: audience?, jwks: jwks?, tenant, scopes })
}

/// Where the keys come from: one place.
fn jwks(section: &mut Section<'_, '_>, path: &Path) -> Option<JwksFrom> {
    let (at, found) = (section.at(), section.faults());
    let named = (section.value("jwks_file"), section.value("jwks_url"));
    let allow = section.value("jwks_allow");
    match (named, allow) {
        ((Some(named), None), None) => file(&named, path).map(JwksFrom::File),
        ((None, Some(url)), allow) => {
            let allow = allow.map(|allow| allow.texts()).unwrap_or_default();
            let is_https = |text: &String| text.starts_with("https://") && text.parse::<http::Uri>().is_ok();
            let text = some(&url)?;
            if !is_https(&text) {
                url.fault(format_args!("{text:?} is no URL that is fetched: write https://…"));
                return None;
            }
            Some(JwksFrom::Url { url: text, allow })
        }
        ((None, None), _) => {
            found.add_missing(
                at,
                "auth.jwt: where are the issuer's public keys? Write jwks_url = \"https://…\", or jwks_file = \"jwks.json\"",
            );
            None
        }
        _ => {
            found.add(at, "auth.jwt: write jwks_file, or jwks_url, perhaps with jwks_allow = [\"https://10.0.0.7\"] for an address that is not public");
            None
        }
    }
}

/// Text that is not empty.
fn some(value: &Value<'_, '_>) -> Option<String> {
    let text = value.string()?;
    if text.is_empty() {
        value.fault("it is empty");
        return None;
    }
    Some(text.to_owned())
}

/// What may stand before a subject.
fn word(value: &Value<'_, '_>) -> Option<String> {
    // The grammar of other names.
    Some(value.text::<TenantName>()?.to_string())
}

/// A path, relative to the configuration's folder, of a file with keys.
fn file(value: &Value<'_, '_>, path: &Path) -> Option<PathBuf> {
    let named = PathBuf::from(some(value)?);
    let file = path.parent().map_or_else(|| named.clone(), |folder| folder.join(&named));
    match check_jwks(&file) {
        Ok(()) => Some(file),
        Err(why) => {
            value.fault(why);
            None
        }
    }
}

fn map<T>(section: Section<'_, '_>, read: impl Fn(&Value<'_, '_>) -> Option<T>) -> BTreeMap<String, T> {
    let entries = section.entries().into_iter();
    entries.filter_map(|(key, value)| Some((key.to_owned(), read(&value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_catalog::Scope;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn read(text: &str) -> Result<Vec<JwtIssuer>, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("keys.json"), KEYS).unwrap();
        let path = dir.path().join("modelet.toml");
        let mut faults = Vec::new();
        let issuers = from_file(&path, text, &mut faults);
        let prefix = format!("{}:", path.display());
        let told = |fault: &Fault| fault.to_string().replace(&prefix, "");
        if faults.is_empty() { Ok(issuers) } else { Err(faults.iter().map(told).collect()) }
    }

    const ONE: &str = "[[auth.jwt]]\nissuer = \"https://a\"\naudience = \"m\"\njwks_file = \"keys.json\"\n";

    #[test]
    fn an_issuer_is_read() {
        let issuers = read(&format!("[server]\nlog = \"info\"\n{ONE}tenant = \"acme\"\n")).unwrap();
        assert_eq!(issuers[0].tenant, TenantRule::Fixed("acme".parse().unwrap()));
        assert_eq!((issuers[0].scopes.claim.as_str(), issuers[0].scopes.map.len()), ("scope", 0));
        assert!(matches!(&issuers[0].jwks, JwksFrom::File(file) if file.is_absolute()), "from the file's own folder");
        let by_url =
            ONE.replace("jwks_file = \"keys.json\"", "jwks_url = \"https://a/k\"\njwks_allow = [\"https://10.0.0.7\"]");
        let issuers_by_url = read(&format!("{by_url}tenant = \"acme\"\n")).unwrap();
        let JwksFrom::Url { url, allow } = &issuers_by_url[0].jwks else { panic!("a URL") };
        assert_eq!((url.as_str(), allow.len()), ("https://a/k", 1));
        let mapped = "tenant_claim = \"org\"\ntenants = { \"o 1\" = \"acme\" }\nscope_claim = \"groups\"\nscope_map = { ml = \"invoke\" }\n";
        let issuers = read(&format!("{ONE}{mapped}")).unwrap();
        assert_eq!(issuers[0].scopes.map["ml"], Scope::Invoke);
        let TenantRule::Claim { claim, map } = &issuers[0].tenant else { panic!("a claim") };
        assert_eq!((claim.as_str(), map["o 1"].as_str()), ("org", "acme"));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_toml_is_told_by_others_and_its_issuers_here() {
        assert_eq!(read(&format!("{ONE}tenant = \"A\"\n[server\n")).unwrap_err().len(), 1);
    }

    #[test]
    fn faults_are_told_with_their_lines() {
        for (text, expected) in [
            (ONE.to_owned(), "1: auth.jwt: whose tokens"),
            (format!("{ONE}tenant = \"a\"\ntenant_claim = \"b\"\n"), "1: auth.jwt: write tenant alone"),
            (
                format!("{ONE}tenant = \"a\"\nscope_map = {{ x = \"root\" }}\n"),
                "6: auth.jwt[0].scope_map.x: \"root\" is not a scope",
            ),
            (
                format!("{ONE}tenant = \"a\"\nissuers = \"x\"\n"),
                "6: unknown key \"issuers\" in auth.jwt[0]; did you mean \"issuer\"?",
            ),
            (format!("{ONE}tenant = \"A\"\n"), "5: auth.jwt[0].tenant: \"A\" is not a tenant name"),
            (ONE.replace("keys.json", "none.json"), "4: auth.jwt[0].jwks_file:"),
            (ONE.replace("jwks_file = \"keys.json\"\n", ""), "1: auth.jwt: where are"),
            (
                ONE.replace("jwks_file = \"keys.json\"", "jwks_url = \"http://a/k\""),
                "4: auth.jwt[0].jwks_url: \"http://a/k\" is no URL",
            ),
            (format!("{ONE}jwks_url = \"https://a/k\"\n"), "1: auth.jwt: write jwks_file, or jwks_url"),
            (ONE.replace("https://a", ""), "2: auth.jwt[0].issuer: it is empty"),
            ("[auth]\njwks = 1\n".to_owned(), "2: unknown key \"jwks\" in auth"),
            (format!("{ONE}tenant = \"a\"\n{ONE}tenant = \"a\"\n"), "1: auth.jwt.name is missing"),
        ] {
            let faults = read(&text).unwrap_err();
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{text}\n{faults:#?}");
        }
    }
}
