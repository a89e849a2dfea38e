#include "controller/app/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <vector>

#include "controller/app/bind_address.hpp"
#include "controller/app/config_file.hpp"
#include "controller/base/text.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/allowed_url.hpp"

namespace rls::app {
namespace {

/// Takes a flag's text; returns what is wrong with it, or nothing.
using Take = std::function<std::string(const std::string&)>;

std::string must_be(std::string_view what, const std::string& got) {
  return "must be " + std::string(what) + ", not " + rls::quoted(got);
}

/// The flags that have a value, which are the keys of the configuration file, too.
class Flags {
 public:
  explicit Flags(CLI::App& app) : app_(app) {}

  /// CLI11 puts the flag's name before what `take` complains of.
  void add(const std::string& name, const std::string& value, const std::string& help, const Take& take,
           const std::string& group = "Flags") {
    takes_.push_back({config_key(name), take});
    option(name, value, help, group, [this, name, take](const std::string& text) {
      if (std::string wrong = take(text); !wrong.empty()) throw CLI::ValidationError("--" + name, wrong);
      given_.push_back({take, text});
    });
  }

  /// One that only the command line has.
  void add_unfiled(const std::string& name, const std::string& value, const std::string& help,
                   std::string& out) {
    option(name, value, help, "Flags", [&out](const std::string& text) { out = text; });
  }

  /// Takes what the file says; then once more what the command line says, which wins. What is wrong with the
  /// file, or nothing.
  std::string take_file(const std::string& path) {
    const auto entries = read_config_file(path);
    if (!entries) return entries.error().message;
    for (const ConfigEntry& entry : *entries) {
      const auto found = std::find_if(takes_.begin(), takes_.end(),
                                      [&](const auto& known) { return known.key == entry.key; });
      const std::string where = path + ":" + std::to_string(entry.line) + ": ";
      if (found == takes_.end()) {
        return where + rls::quoted(entry.key) + " is no key; these are: " + keys();
      }
      if (const std::string wrong = found->take(entry.value); !wrong.empty()) {
        return where + entry.key + ": " + wrong;
      }
    }
    for (const auto& [take, text] : given_) take(text);
    return {};
  }

 private:
  struct Known {
    std::string key;
    Take take;
  };

  void option(const std::string& name, const std::string& value, const std::string& help,
              const std::string& group, const std::function<void(const std::string&)>& taken) {
    app_.add_option_function<std::string>("--" + name, taken, help)->type_name(value)->group(group);
  }

  std::string keys() const {
    std::string all;
    for (const Known& known : takes_) all += (all.empty() ? "" : ", ") + known.key;
    return all;
  }

  CLI::App& app_;
  std::vector<Known> takes_;
  std::vector<std::pair<Take, std::string>> given_;
};

Take into(std::string& out) {
  return [&out](const std::string& text) {
    out = text;
    return std::string{};
  };
}

/// One of a closed set of words.
template <class Value>
Take one_of(Value& out, std::vector<std::pair<std::string, Value>> words) {
  return [&out, words = std::move(words)](const std::string& text) {
    std::string allowed;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i].first == text) {
        out = words[i].second;
        return std::string{};
      }
      if (i > 0) allowed += i + 1 == words.size() ? " or " : ", ";
      allowed += words[i].first;
    }
    return must_be(allowed, text);
  };
}

/// A name of at most `longest` lower-case letters, digits and `punctuation`; it begins and ends with a letter
/// or digit.
Take name_into(std::string& out, std::string_view punctuation, std::size_t longest, std::string what) {
  return [&out, punctuation, longest, what = std::move(what)](const std::string& text) {
    const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    const bool good =
        text.empty() || (text.size() <= longest && alphanumeric(text.front()) && alphanumeric(text.back()) &&
                         std::all_of(text.begin(), text.end(), [&](char c) {
                           return alphanumeric(c) || punctuation.find(c) != std::string_view::npos;
                         }));
    if (!good) return must_be(what, text);
    out = text;
    return std::string{};
  };
}

std::string take_workers(unsigned& out, const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > 64) {
    return must_be("a number from 1 to 64", text);
  }
  out = number;
  return {};
}

/// A duration up to an hour.
Take duration_into(std::chrono::milliseconds& out, std::chrono::milliseconds least) {
  return [&out, least](const std::string& text) {
    const auto given = parse_duration(text);
    if (!given || *given < least || *given > std::chrono::hours{1}) {
      return must_be("a duration from " + format_duration(least) + " to 1h, such as 15s or 1m30s", text);
    }
    out = std::chrono::floor<std::chrono::milliseconds>(*given);
    return std::string{};
  };
}

/// What is wrong between flags that are each right by themselves; or nothing.
std::string wrong_together(const Options& options) {
  const auto must_be_less = [](const char* flag, std::chrono::milliseconds value, const char* than,
                               std::chrono::milliseconds limit) {
    if (value < limit) return std::string{};
    return std::string(flag) + ": must be less than " + than + " (" + format_duration(limit) + "), not " +
           format_duration(value);
  };
  std::string wrong = must_be_less("--leader-elect-renew-deadline", options.renew_deadline,
                                   "--leader-elect-lease-duration", options.lease_duration);
  if (wrong.empty()) {
    wrong = must_be_less("--leader-elect-retry-period", options.retry_period, "--leader-elect-renew-deadline",
                         options.renew_deadline);
  }
  return wrong;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(std::span<const std::string> arguments, bool terminal) {
  Options out;
  out.log_format = terminal ? log::Format::console : log::Format::json;

  CLI::App app("Moves the tenants of PostgreSQL databases through the phases of row-level security.",
               "rls-operator");
  app.set_version_flag("--version", "rls-operator " RLS_VERSION, "Print the version and exit")
      ->group("Flags");
  app.set_help_flag("--help", "Print this help and exit")->group("Flags");

  Flags flags(app);
  std::string config;
  flags.add_unfiled("config", "FILE",
                    "Where the flags' values stand as YAML, by the flags' names in camelCase; flags win over "
                    "the file (default: none)",
                    config);
  flags.add("kubeconfig", "FILE",
            "How to reach the Kubernetes API (default: $KUBECONFIG, else the Pod's service account)",
            into(out.kubeconfig));
  flags.add("context", "NAME", "Context of the kubeconfig (default: its current one)", into(out.context));
  flags.add("namespace", "NAME", "Namespace to work in (default: all)",
            name_into(out.ns, "-", 63, "the name of a namespace (lower-case letters, digits and -)"));
  flags.add("workers", "N", "Batches worked on at the same time, 1 to 64 (default: 4)",
            [&out](const std::string& text) { return take_workers(out.workers, text); });
  flags.add("observe-interval", "DURATION",
            "How often each database is looked at as a whole, 1s to 1h (default: 15s)",
            duration_into(out.observe_interval, std::chrono::seconds{1}));
  flags.add(
      "relist-interval", "DURATION",
      "How often all objects are listed anew although the watch tells of changes, 1s to 1h; up to a fifth "
      "less by chance (default: 10m)",
      duration_into(out.relist_interval, std::chrono::seconds{1}));
  flags.add("bind-address", "HOST:PORT",
            "Where /healthz, /readyz and /metrics are served; port 0: any free one, which is logged "
            "(default: 0.0.0.0:8080)",
            [&out](const std::string& text) {
              const auto address = parse_bind_address(text);
              if (!address.ok()) return address.error().message;
              out.bind_address = text;
              return std::string{};
            });
  flags.add("metrics-projects", "on|off",
            "Metrics of every project (on), or only their sums per database (off) (default: on)",
            one_of<bool>(out.metrics_projects, {{"on", true}, {"off", false}}));
  flags.add("log-level", "LEVEL", "The least that is logged: debug, info, warn or error (default: info)",
            one_of<log::Level>(out.log_level, {{"debug", log::Level::debug},
                                               {"info", log::Level::info},
                                               {"warn", log::Level::warn},
                                               {"error", log::Level::error}}));
  flags.add(
      "log-format", "FORMAT", "json or console (default: console where stderr is a terminal, else json)",
      one_of<log::Format>(out.log_format, {{"json", log::Format::json}, {"console", log::Format::console}}));
  flags.add("install-id", "ID",
            "Names this installation in the databases that it claims (default: derived from the cluster and "
            "the operator's namespace)",
            name_into(out.install_id, "-./", 128, "at most 128 lower-case letters, digits, -, . and /"));
  flags.add(
      "allowed-prometheus-urls", "URLS",
      "The Prometheus servers that checks may ask: URLs with commas between them; what stands below one "
      "is allowed, too (default: none)",
      [&out](const std::string& text) {
        auto urls = checks::parse_allowed_urls(text);
        if (!urls) return urls.error().message;
        out.allowed_prometheus_urls = std::move(*urls);
        return std::string{};
      });
  flags.add(
      "leader-elect", "on|off",
      "Work only while holding a Lease; off: this is the only process, and it ends any other that works "
      "on the same databases (default: on)",
      one_of<bool>(out.leader_elect, {{"on", true}, {"off", false}}));
  flags.add("leader-elect-resource-name", "NAME", "Name of the Lease (default: rls-operator)",
            [&out, take = name_into(out.lease_name, "-.", 253,
                                    "the name of a Lease (lower-case letters, digits, - and .)")](
                const std::string& text) { return take(text.empty() ? "rls-operator" : text); });
  flags.add(
      "leader-elect-resource-namespace", "NAME",
      "Namespace of the Lease (default: the one that the credentials name)",
      name_into(out.lease_namespace, "-", 63, "the name of a namespace (lower-case letters, digits and -)"));
  flags.add("leader-elect-lease-duration", "DURATION",
            "How long others wait for a leader that does not renew, 1s to 1h (default: 15s)",
            duration_into(out.lease_duration, std::chrono::seconds{1}));
  flags.add("leader-elect-renew-deadline", "DURATION",
            "When a leader that cannot renew stops, less than the lease's duration (default: 10s)",
            duration_into(out.renew_deadline, std::chrono::milliseconds{100}));
  flags.add("leader-elect-retry-period", "DURATION",
            "Between two tries, less than the renew deadline (default: 2s)",
            duration_into(out.retry_period, std::chrono::milliseconds{100}));
  flags.add(
      "inject-fault", "PLAN",
      "Lets one call fail: [api:|sql:|NAME#]NUMBER:(fail-before|lose-reply|kill-before|kill-after) (default: "
      "none)",
      [&out](const std::string& text) {
        const auto plan = parse_fault_plan(text);
        if (!plan.ok()) return plan.error().message;
        out.inject_fault = *plan;
        return std::string{};
      },
      "For tests only");

  std::vector<std::string> words;
  for (const std::string& argument : arguments) {
    // CLI11 takes "--flag=" for a flag without its value; charts write it where a value is empty.
    const bool empty_value = argument.starts_with("--") && argument.find('=') == argument.size() - 1;
    words.push_back(empty_value ? argument.substr(0, argument.size() - 1) : argument);
    if (empty_value) words.emplace_back();
  }
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back

  try {
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, app.help()};
  } catch (const CLI::CallForVersion& version) {
    return EarlyExit{0, std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{2, "rls-operator: " + std::string(error.what()) + "\nSee rls-operator --help.\n"};
  }
  std::string wrong;
  if (!config.empty()) wrong = flags.take_file(config);
  if (wrong.empty()) wrong = wrong_together(out);
  if (!wrong.empty()) return EarlyExit{2, "rls-operator: " + wrong + "\nSee rls-operator --help.\n"};
  return out;
}

}  // namespace rls::app
