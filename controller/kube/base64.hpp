#pragma once
// Base64 as kubeconfig files and Secrets carry it (RFC 4648, padded; line breaks and blanks are skipped).

#include <optional>
#include <string>
#include <string_view>

namespace rls::kube {

/// The bytes, or nullopt where `text` is not base64: a foreign character, wrong padding, stray bits.
std::optional<std::string> decode_base64(std::string_view text);

/// With padding and without line breaks.
std::string encode_base64(std::string_view bytes);

}  // namespace rls::kube
