//! The environment's own certificate authority and the certificates that it signs.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::{Secret, SecretsError};

/// Days that an authority is good for: ten years.
pub(super) const AUTHORITY_DAYS: i64 = 3650;
/// Days that a certificate is good for: the most that common clients accept.
pub(super) const CERTIFICATE_DAYS: i64 = 825;

/// A new certificate and its key, each in PEM.
pub(super) struct Issued {
    pub certificate: String,
    pub key: Secret,
    /// The end of its last day, to the day.
    pub expires: Timestamp,
}

/// Makes an authority: its own key, its certificate signed by itself.
pub(super) fn authority(common_name: &str, now: Timestamp) -> Result<Issued, SecretsError> {
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = authority_params(common_name)?;
    let expires = validity(&mut params, now, AUTHORITY_DAYS);
    let certificate = params.self_signed(&key).map_err(failed)?.pem();
    Ok(Issued { certificate, key: Secret::new(key.serialize_pem()), expires })
}

/// Makes a server certificate for these names and addresses, signed by the authority with this name and key.
pub(super) fn signed(
    names: &[String],
    authority_name: &str,
    authority_key: &Secret,
    now: Timestamp,
) -> Result<Issued, SecretsError> {
    // The issuer's certificate is not parsed: signing needs only what it was made from.
    let issuer_key = KeyPair::from_pem(authority_key.expose()).map_err(failed)?;
    let issuer = Issuer::new(authority_params(authority_name)?, issuer_key);
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
    params.distinguished_name = distinguished(names.first().map_or("", String::as_str));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let expires = validity(&mut params, now, CERTIFICATE_DAYS);
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?.pem();
    Ok(Issued { certificate, key: Secret::new(key.serialize_pem()), expires })
}

fn authority_params(common_name: &str) -> Result<CertificateParams, SecretsError> {
    let mut params = CertificateParams::new(vec![]).map_err(failed)?;
    params.distinguished_name = distinguished(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn distinguished(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Valid from yesterday, because clocks of nodes may be behind, to the day `days` after today.
pub(super) fn validity(params: &mut CertificateParams, now: Timestamp, days: i64) -> Timestamp {
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let from = today.saturating_sub(1.day());
    let to = today.saturating_add(days.days());
    let moment = |date: jiff::civil::Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = moment(from);
    params.not_after = moment(to);
    to.to_zoned_datetime(TimeZone::UTC).map_or(now, |midnight| midnight.timestamp())
}

fn failed(error: rcgen::Error) -> SecretsError {
    SecretsError::Certificate(error.to_string())
}
