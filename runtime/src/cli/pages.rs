//! Listings that the server gives in pages, whole again.

use modelet_control::wire::{FunctionVersions, Functions, Grants, Keys, ModelVersions, Models, Secrets, Tenants};
use serde::de::DeserializeOwned;

use super::client::Client;

/// Entries of a page: the most that a server gives.
const LIMIT: u32 = 1000;

/// A page of a listing.
pub(crate) trait Paged: DeserializeOwned {
    /// Where the next page begins.
    fn next(&self) -> Option<&str>;

    /// Puts the next page at the end of this one.
    fn append(&mut self, next: Self);
}

macro_rules! paged {
    ($($listing:ident: $entries:ident),*) => {
        $(impl Paged for $listing {
            fn next(&self) -> Option<&str> {
                self.next.as_deref()
            }

            fn append(&mut self, next: Self) {
                self.$entries.extend(next.$entries);
                self.next = next.next;
            }
        })*
    };
}

paged!(
    Functions: functions,
    FunctionVersions: versions,
    Grants: grants,
    Keys: keys,
    ModelVersions: versions,
    Models: models,
    Secrets: secrets,
    Tenants: tenants
);

/// All pages of the listing at `path`, as one.
pub(crate) fn whole<T: Paged>(client: &Client, path: &str) -> anyhow::Result<T> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{separator}limit={LIMIT}");
    let mut listing: T = client.get(&first)?;
    while let Some(next) = listing.next() {
        let page = client.get(&format!("{first}&after={next}"))?;
        listing.append(page);
    }
    Ok(listing)
}
