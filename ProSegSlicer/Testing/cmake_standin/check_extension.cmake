# What Slicer's tools need of an extension before they describe it.
foreach(standin_field HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if("${EXTENSION_${standin_field}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${standin_field} is not set")
  endif()
endforeach()
