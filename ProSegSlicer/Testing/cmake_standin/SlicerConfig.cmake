# A stand-in for an installed Slicer, so that the extension's CMake files can be configured and installed without one.
# It is this project's own and knows only what those files use. What is not listed in them is not installed, as in
# Slicer; what is listed but missing, and words that Slicer's macros do not know, are errors, as in Slicer.

set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/check_extension.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/check_package.cmake)
set(Slicer_LAUNCHER_EXECUTABLE ${CMAKE_COMMAND})  # named in tests and never started, but it must exist

set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-0.0/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR ${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
