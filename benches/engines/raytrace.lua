local sqrt = math.sqrt
local Vec = {}
Vec.__index = Vec
local function vec(x, y, z) return setmetatable({ x = x, y = y, z = z }, Vec) end
function Vec:plus(o) return vec(self.x + o.x, self.y + o.y, self.z + o.z) end
function Vec:minus(o) return vec(self.x - o.x, self.y - o.y, self.z - o.z) end
function Vec:times(k) return vec(self.x * k, self.y * k, self.z * k) end
function Vec:dot(o) return self.x * o.x + self.y * o.y + self.z * o.z end
function Vec:unit() return self:times(1.0 / sqrt(self:dot(self))) end
local Sphere = {}
Sphere.__index = Sphere
function Sphere:hit(origin, direction)
  local offset = origin:minus(self.centre)
  local b = offset:dot(direction)
  local c = offset:dot(offset) - self.radius * self.radius
  local d = b * b - c
  if d < 0.0 then return -1.0 end
  return -b - sqrt(d)
end

local function trace(spheres, origin, direction, light, depth)
  local nearest = 1000000.0
  local found = nil
  for i = 1, #spheres do
    local sphere = spheres[i]
    local distance = sphere:hit(origin, direction)
    if distance > 0.001 and distance < nearest then
      nearest = distance
      found = sphere
    end
  end
  if found == nil then return 0.1 + 0.2 * (direction.y + 1.0) end
  local point = origin:plus(direction:times(nearest))
  local normal = point:minus(found.centre):unit()
  local bright = normal:dot(light)
  if bright < 0.0 then bright = 0.0 end
  if depth == 0 then return bright end
  local mirrored = direction:minus(normal:times(2.0 * direction:dot(normal)))
  return bright * (1.0 - found.shine) + found.shine * trace(spheres, point, mirrored, light, depth - 1)
end

local function main()
  local width, height = 540, 360
  local spheres = {}
  for i = 0, 5 do
    local centre = vec(i * 1.1 - 3.0, i % 3 * 0.8 - 0.8, 6.0 + i % 2 * 1.5)
    spheres[i + 1] = setmetatable({ centre = centre, radius = 0.6 + i * 0.05, shine = 0.1 * i }, Sphere)
  end
  local origin = vec(0.0, 0.0, 0.0)
  local light = vec(0.5, 1.0, -0.7):unit()
  local sum = 0.0
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      local direction = vec((x - width / 2.0) / width, (height / 2.0 - y) / width, 1.0):unit()
      sum = sum + trace(spheres, origin, direction, light, 3)
    end
  end
  print(string.format("%.6f", sum))
end
main()
