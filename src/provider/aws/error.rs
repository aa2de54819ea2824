//! Failures of AWS's calls in refarch's words: what happened, which request, which permission, what to do.

use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_types::request_id::RequestId;

use crate::provider::{ErrorClass, ProviderError};

/// Code of a failure; empty where AWS gave none.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

/// Whether the thing that was asked about is not there (any more).
pub fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    gone(code(error))
}

fn gone(code: &str) -> bool {
    code.ends_with(".NotFound")
        || code.ends_with(".Malformed")
        || matches!(code, "NatGatewayNotFound" | "NoSuchEntity" | "NoSuchBucket" | "NotFound" | "LoadBalancerNotFound")
        || matches!(code, "TargetGroupNotFound" | "InvalidAllocationID.NotFound" | "Gateway.NotAttached")
}

/// Whether something that is going away still holds it.
pub fn is_held<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(
        code(error),
        "DependencyViolation"
            | "InvalidIPAddress.InUse"
            | "InvalidAddress.InUse"
            | "ResourceInUse"
            | "VolumeInUse"
            | "DeleteConflict"
            | "IncorrectState"
            | "IncorrectInstanceState"
            | "AuthFailure.InUse"
    )
}

/// A failed call. `call` is the permission that it takes: `ec2:CreateVpc`.
pub fn failed<E, R>(doing: &str, call: &str, error: &SdkError<E, R>) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let Some(service) = error.as_service_error() else {
        let context = format!("{}", DisplayErrorContext(error));
        return unanswered(doing, call, &context, matches!(error, SdkError::ConstructionFailure(_)));
    };
    // An answer that the SDK cannot read has no code: a page of a gateway in between, for example.
    let Some(code) = service.code() else {
        return unanswered(doing, call, &format!("{}", DisplayErrorContext(error)), false);
    };
    let request = service.meta().request_id().map(|id| format!(", request {id}")).unwrap_or_default();
    let said = service.message().unwrap_or("no message");
    let (class, hint) = judge(code, said, call);
    ProviderError { doing: doing.to_owned(), message: format!("{said} ({call}: {code}{request})"), hint, class }
}

/// No answer came, or none that could be read.
fn unanswered(doing: &str, call: &str, context: &str, construction: bool) -> ProviderError {
    let lower = context.to_lowercase();
    if lower.contains("credential") {
        return ProviderError {
            doing: doing.to_owned(),
            message: format!("no credentials for {call}: {}", first_line(context)),
            hint: Some(
                "log in (`aws sso login`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws.profile` in the \
                 file); then the same command again goes on"
                    .to_owned(),
            ),
            class: ErrorClass::Permanent,
        };
    }
    let class = if construction { ErrorClass::Permanent } else { ErrorClass::Transient };
    ProviderError {
        doing: doing.to_owned(),
        message: format!("no usable answer to {call}: {}", first_line(context)),
        hint: Some(
            "AWS or the way to it has a moment; the same command again goes on where this one stopped".to_owned(),
        ),
        class,
    }
}

/// What went wrong, without the SDK's view of its own insides behind it.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let inside = ["DispatchFailure(", "TimeoutError(", "ResponseError(", "ServiceError(", "ConstructionFailure("];
    let end = inside.iter().filter_map(|name| line.find(&format!(" ({name}"))).min().unwrap_or(line.len());
    let line = &line[..end];
    let line = line.strip_prefix("dispatch failure: ").unwrap_or(line);
    let line = line.strip_prefix("io error: client error (Connect): ").unwrap_or(line);
    line.chars().take(300).collect()
}

/// Whether to try again, and what to tell.
fn judge(code: &str, said: &str, call: &str) -> (ErrorClass, Option<String>) {
    let again = "; then the same command again goes on where this one stopped";
    let hint = |text: &str| Some(format!("{text}{again}"));
    match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "Client.UnauthorizedOperation" => {
            let missing = said
                .split_once("perform: ")
                .and_then(|(_, rest)| rest.split_whitespace().next())
                .map_or(call, |word| word.trim_end_matches(['.', ',']));
            (
                ErrorClass::Permanent,
                hint(&format!("the permission `{missing}` is missing: docs/aws.md has the whole policy")),
            )
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            (ErrorClass::Permanent, hint("your credentials have expired: log in again"))
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId" => {
            (ErrorClass::Permanent, hint("AWS does not know these credentials, or this machine's clock is off"))
        }
        "OptInRequired" | "InvalidRegion" => {
            (ErrorClass::Permanent, hint("the region is not enabled for the account: enable it or name another"))
        }
        _ if code.ends_with("LimitExceeded") && code != "RequestLimitExceeded" || code == "AddressLimitExceeded" => (
            ErrorClass::Permanent,
            hint("a quota of the account is used up: `refarch check` tells which; ask AWS to raise it"),
        ),
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "InternalServerError"
        | "503"
        | "500" => (ErrorClass::Transient, hint("wait a little")),
        // What was made a moment ago is not known everywhere yet.
        _ if code.ends_with(".NotFound")
            || code == "IncorrectState"
            || code == "InvalidParameterValue" && said.contains("iamInstanceProfile") =>
        {
            (ErrorClass::Transient, hint("it may have been removed meanwhile: plan anew"))
        }
        _ => (ErrorClass::Permanent, hint("mend that")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_permission() {
        let said = "User: arn:aws:iam::1:user/a is not authorized to perform: iam:CreateRole on resource: x";
        let (class, hint) = judge("AccessDenied", said, "iam:GetRole");
        assert_eq!(class, ErrorClass::Permanent);
        let hint = hint.unwrap();
        assert!(hint.contains("`iam:CreateRole`") && hint.contains("again"), "{hint}");
        let (_, hint) = judge("UnauthorizedOperation", "You are not authorized. Encoded message: x", "ec2:CreateVpc");
        assert!(hint.unwrap().contains("`ec2:CreateVpc`"));
    }

    #[test]
    fn throttling_is_tried_again_and_a_quota_is_not() {
        assert_eq!(judge("RequestLimitExceeded", "", "x").0, ErrorClass::Transient);
        assert_eq!(judge("VcpuLimitExceeded", "", "x").0, ErrorClass::Permanent);
        assert_eq!(judge("AddressLimitExceeded", "", "x").0, ErrorClass::Permanent);
        assert_eq!(judge("InvalidSubnetID.NotFound", "", "x").0, ErrorClass::Transient);
        assert_eq!(judge("ExpiredToken", "", "x").0, ErrorClass::Permanent);
    }
}
