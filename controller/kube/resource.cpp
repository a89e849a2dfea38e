// Where things are in the API: paths and their encoding.

#include "controller/kube/client.hpp"
#include "controller/kube/uri.hpp"

namespace rls::kube {
namespace {

/// The core group has its own root ("/api/v1"); every other group is under "/apis/".
std::string collection(const std::string& group_version, const std::string& plural, const std::string& ns) {
  std::string path = group_version.find('/') == std::string::npos ? "/api/" : "/apis/";
  path += group_version;
  if (!ns.empty()) path += "/namespaces/" + percent_encoded(ns);
  return path + "/" + percent_encoded(plural);
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 0xF];
    }
  }
  return out;
}

bool is_path_segment(std::string_view text) { return !text.empty() && text != "." && text != ".."; }

std::string Resource::path() const { return collection(group_version, plural, ns); }

std::string Resource::path(const api::ObjectName& name) const {
  return collection(group_version, plural, name.ns) + "/" + percent_encoded(name.name);
}

}  // namespace rls::kube
