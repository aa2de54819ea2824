//! Machine images: families of the marketplace, or one by its name.

use super::{Azure, azure_mgmt::compute, error::failed};
use crate::provider::{
    ProviderError,
    cloud::{options::ImageOptions, permanent, record::Image},
};

/// Family, processor -> publisher, offer, sku. Names from the publishers' own pages: Debian's wiki (Cloud/MicrosoftAzure)
/// and Canonical's "Find Ubuntu images on Azure".
const FAMILIES: [(&str, &str, [&str; 3]); 8] = [
    ("debian-12", "x86_64", ["Debian", "debian-12", "12-gen2"]),
    ("debian-12", "arm64", ["Debian", "debian-12", "12-arm64"]),
    ("debian-13", "x86_64", ["Debian", "debian-13", "13-gen2"]),
    ("debian-13", "arm64", ["Debian", "debian-13", "13-arm64"]),
    ("ubuntu-22.04", "x86_64", ["Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"]),
    ("ubuntu-22.04", "arm64", ["Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-arm64"]),
    ("ubuntu-24.04", "x86_64", ["Canonical", "ubuntu-24_04-lts", "server"]),
    ("ubuntu-24.04", "arm64", ["Canonical", "ubuntu-24_04-lts", "server-arm64"]),
];

impl Azure {
    /// The newest image of the family, as `publisher:offer:sku:version`.
    pub(super) async fn newest(&self, architecture: &str) -> Result<Image, ProviderError> {
        let doing = "choose an image";
        let family = match &self.options.image {
            ImageOptions::Family(family) => family,
            ImageOptions::Id(id) => {
                return Ok(Image { id: id.clone(), name: id.clone(), choice: id.clone() });
            }
            ImageOptions::Named { .. } => {
                let hint = "write `cloud.image.id: publisher:offer:sku:version`, or the id of an image of your own";
                return Err(permanent(doing, "Azure's images have no owner and name to look for", Some(hint)));
            }
        };
        let known = FAMILIES.iter().find(|(name, processor, _)| name == family && *processor == architecture);
        let Some((_, _, [publisher, offer, sku])) = known else {
            let message = format!("there is no {family} for {architecture} here");
            return Err(permanent(doing, message, Some("name one with `cloud.image.id`")));
        };
        let region = self.location()?;
        let versions =
            self.client.image_versions(&region, publisher, offer, sku).await.map_err(|error| failed(doing, &error))?;
        let Some(version) = versions.last() else {
            let message = format!("{publisher}:{offer}:{sku} has no version in {region}");
            return Err(permanent(doing, message, Some("name one with `cloud.image.id`")));
        };
        let id = format!("{publisher}:{offer}:{sku}:{version}");
        Ok(Image { name: id.clone(), id, choice: family.clone() })
    }
}

/// Reads `publisher:offer:sku:version` or an id.
pub(super) fn reference(text: &str) -> Option<compute::Image> {
    if text.starts_with('/') {
        return Some(compute::Image { id: Some(text.to_owned()), ..compute::Image::default() });
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [publisher, offer, sku, version] = parts.as_slice() else { return None };
    let own = |part: &&str| Some((*part).to_owned());
    Some(compute::Image {
        publisher: own(publisher),
        offer: own(offer),
        sku: own(sku),
        version: own(version),
        id: None,
    })
}

/// What [`reference`] reads, from a machine.
pub(super) fn text(image: &compute::Image) -> Option<String> {
    if let Some(id) = &image.id {
        return Some(id.clone());
    }
    let parts = [&image.publisher, &image.offer, &image.sku, &image.version];
    let parts: Option<Vec<&str>> = parts.into_iter().map(Option::as_deref).collect();
    parts.map(|parts| parts.join(":"))
}

/// Processor of a size: Azure's letter `p` means Arm.
pub(super) fn architecture(size: &str) -> &'static str {
    let middle = size.strip_prefix("Standard_").unwrap_or(size);
    let letters = middle.split('_').next().unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_uppercase());
    let features = letters.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    if features.contains('p') { "arm64" } else { "x86_64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_tell_their_processor() {
        for (size, processor) in [
            ("Standard_D2s_v3", "x86_64"),
            ("Standard_D4ps_v5", "arm64"),
            ("Standard_E8pds_v5", "arm64"),
            ("Standard_F8s_v2", "x86_64"),
            ("Standard_B2s", "x86_64"),
        ] {
            assert_eq!(architecture(size), processor, "{size}");
        }
    }

    #[test]
    fn images_are_read_back() {
        for text_of in
            ["Debian:debian-12:12-gen2:0.20261101.1", "/subscriptions/s/resourceGroups/g/providers/x/images/i"]
        {
            assert_eq!(text(&reference(text_of).unwrap()).as_deref(), Some(text_of));
        }
        assert_eq!(reference("debian-12"), None);
    }
}
