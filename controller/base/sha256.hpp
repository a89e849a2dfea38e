#pragma once
// SHA-256, of OpenSSL.

#include <string>
#include <string_view>

namespace rls {

/// 64 lower case hexadecimal digits.
std::string sha256_hex(std::string_view text);

}  // namespace rls
