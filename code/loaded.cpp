#include "code/loaded.hpp"

#include <dlfcn.h>

#include <algorithm>

#include "code/module_file.hpp"
#include "code/modules.hpp"
#include "pp/error.hpp"

namespace pp::code {
namespace {

/// By content where the linker left no build id; such a file was found by its name alone.
bool is_content_of(const loaded_module& m, const module_entry& wanted) {
  const auto id = build_id_of(m);
  if (!id.empty() || !wanted.build_id.empty()) return id == wanted.build_id;
  const auto file = module_file::open(m.path);
  return file.size() == wanted.size && file.content_hash() == wanted.content;
}

const loaded_module* find(const std::vector<loaded_module>& loaded, const module_entry& wanted) {
  const auto named =
      std::find_if(loaded.begin(), loaded.end(), [&](const auto& m) { return !m.is_program && m.name == wanted.name; });
  if (named != loaded.end()) return &*named;
  // The same file may have been found under its SONAME.
  const auto same = std::find_if(loaded.begin(), loaded.end(), [&](const auto& m) {
    return !m.is_program && !wanted.build_id.empty() && build_id_of(m) == wanted.build_id;
  });
  return same != loaded.end() ? &*same : nullptr;
}

std::string last_dl_error() {
  const char* text = ::dlerror();
  return text != nullptr ? text : "unknown reason";
}

using module_list = std::vector<const module_entry*>;

/// Opens what the client had opened with dlopen. Privately first, as dlopen does by default, because two plugins may
/// well define the same names; those that then lack a symbol had been opened after a global one, so all are made global
/// for them.
std::string open_missing(const module_list& missing) {
  module_list failed;
  for (const auto* e : missing) {
    if (::dlopen(e->name.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) failed.push_back(e);
  }
  if (failed.empty()) return {};
  for (const auto* e : missing) ::dlopen(e->name.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  for (const auto* e : failed) {
    ::dlerror();
    if (::dlopen(e->name.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      return "the shared object " + e->name + " cannot be opened: " + last_dl_error();
    }
  }
  return {};
}

}  // namespace

loaded_image::loaded_image(const manifest& m) {
  try {
    problem_ = adopt(m);
  } catch (const std::exception& e) {
    problem_ = e.what();
  }
}

std::string loaded_image::adopt(const manifest& m) {
  auto loaded = loaded_modules();
  if (m.modules.empty() || loaded.empty() || !loaded.front().is_program ||
      !is_content_of(loaded.front(), m.modules.front())) {
    return "the worker was started as another program than the client's: this is a bug of the node or of the worker's starter";
  }
  add_ranges(0, loaded.front().base, loaded.front());
  module_list missing;
  for (std::size_t i = 1; i < m.modules.size(); ++i) {
    if (find(loaded, m.modules[i]) == nullptr) missing.push_back(&m.modules[i]);
  }
  if (auto why = open_missing(missing); !why.empty()) return why;
  if (!missing.empty()) loaded = loaded_modules();
  for (std::size_t i = 1; i < m.modules.size(); ++i) {
    const auto& wanted = m.modules[i];
    const auto* found = find(loaded, wanted);
    if (found == nullptr) return "the shared object " + wanted.name + " was opened but is not listed by the loader";
    if (!is_content_of(*found, wanted)) {
      return "the loader took " + found->path + " instead of the client's " + wanted.name +
             ": remove that file or the RPATH that leads to it (link with -Wl,--enable-new-dtags)";
    }
    add_ranges(static_cast<std::uint16_t>(i), found->base, *found);
  }
  return {};
}

void loaded_image::add_ranges(std::uint16_t module, std::uintptr_t base, const loaded_module& from) {
  for (const auto& s : from.segments) {
    if (s.p_type == PT_LOAD && (s.p_flags & PF_X) != 0)
      executable_.push_back({module, s.p_vaddr, s.p_vaddr + s.p_memsz, base});
  }
}

const void* loaded_image::address_of(location l) const {
  if (marker_of(l) == 0 || marker_of(l) == virtual_marker) return nullptr;
  const auto offset = offset_of(l);
  for (const auto& r : executable_) {
    if (r.module == module_of(l) && offset >= r.from && offset < r.to)
      return reinterpret_cast<const void*>(r.base + offset);
  }
  return nullptr;
}

location loaded_image::location_of(std::uintptr_t address) const noexcept {
  for (const auto& r : executable_) {
    if (address >= r.base + r.from && address < r.base + r.to) return make_location(r.module, address - r.base);
  }
  return no_location;
}

}  // namespace pp::code
