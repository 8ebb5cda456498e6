# task: build with ninja in debug mode
# needs: cmake ninja gcc

printf 'cmake_minimum_required(VERSION 3.16)\nproject(t C)\nadd_executable(t t.c)\n' > CMakeLists.txt
printf 'int main(void) { return 0; }\n' > t.c
mkdir -p build && cd build
cmake -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ..
ninja -v
./t
ninja -t clean
cd ..
rm -r build
